import { execSync } from 'node:child_process'
import { constants } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { native } from '../../src/native.js'
import { descriptorShortage } from '../../src/system/descriptors.js'

const { EMFILE, ENFILE, EIO } = constants.errno
const failure = (errno: number, values = {}) => Object.assign(new Error('failed'), { syscall: 'open', errno, values })
const limits = () => native.resourceLimit(7)

test('a process below its hard limit gets a command that raises its limit', () => {
  const [soft, hard] = limits()
  const set = (limit: number) => execSync(`prlimit --pid ${process.pid} --nofile=${limit}:`)
  onTestFinished(() => {
    set(soft)
  })
  const low = Math.floor(hard / 4)
  set(low)
  const error = descriptorShortage(failure(-EMFILE))
  expect(error).toMatchObject({ code: 'ERR_DESCRIPTORS_SHORT', errno: EMFILE, values: { open: low, limit: low } })
  execSync(error?.hint ?? '')
  expect(limits()).toEqual([2 * low, hard])
})

test('a process at its hard limit is told where that is raised, and what needs no descriptor', () => {
  const [soft, hard] = limits()
  expect(soft).toBe(hard) // Node raises it
  const values = { open: 90, limit: 100, reserve: 12 }
  expect(descriptorShortage(failure(EMFILE, values))).toMatchObject({
    message: expect.stringContaining('has 90 descriptors open, and regions leave it the last 12 of the'),
    values: { open: 90, limit: hard, reserve: 12 },
    hint: expect.stringMatching(/^raise the hard limit .*; or base or transparent pages, or backing: 'anonymous'/),
  })
})

test('a machine without a free file is told apart, and any other failure is no shortage', () => {
  expect(descriptorShortage(failure(ENFILE))).toMatchObject({
    code: 'ERR_DESCRIPTORS_SHORT',
    message: 'this machine has no open file left (fs.file-max)',
  })
  expect(descriptorShortage(failure(EIO))).toBeUndefined()
  expect(descriptorShortage(new Error('other'))).toBeUndefined()
})
