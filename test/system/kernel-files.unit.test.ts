import { expect, test } from 'vitest'
import {
  formatIndexList,
  listKernelDirectory,
  parseIndexList,
  parseStatField,
  readKernelFile,
  readKernelNumber,
} from '../../src/system/kernel-files.js'

test.each([
  ['0', [0]],
  ['0-3', [0, 1, 2, 3]],
  ['0-1,4,8-9\n', [0, 1, 4, 8, 9]],
  ['\n', []],
])('the list %j is read as %j, and can be written again', (text, indices) => {
  expect(parseIndexList(text)).toEqual(indices)
  expect(formatIndexList(indices)).toBe(text.trim())
})

test('a list is written in order and without repetition', () => {
  expect(formatIndexList([3, 1, 2, 2, 7])).toBe('1-3,7')
})

test('a file that the kernel lacks is undefined or empty, not an error', () => {
  expect(readKernelFile('/proc/sys/vm/no_such_setting')).toBeUndefined()
  expect(readKernelNumber('/proc/sys/vm/no_such_setting')).toBeUndefined()
  expect(listKernelDirectory('/sys/kernel/mm/no_such_directory')).toEqual([])
})

test('a file that contains words is not a number', () => {
  expect(readKernelNumber('/proc/version')).toBeUndefined()
})

test('any other failure is an error that names the system call', () => {
  expect(() => readKernelFile('/proc/self')).toThrowCode('ERR_SYSTEM', { syscall: 'read' })
})

test('fields of stat are counted after a command name with spaces and parentheses', () => {
  const stat = `8704 (a) b (c) R 8689 8689 4624 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 115269 3133440 394`
  expect(parseStatField(stat, 4)).toBe(8689)
  expect(parseStatField(stat, 22)).toBe(115269)
})
