import { expect, test } from 'vitest'
import { parseCapabilities, parseProcessMemory } from '../../src/system/process-limits.js'

const status = (capEff: string) => `Name:\tcat
VmPeak:\t    3060 kB
VmSize:\t    3000 kB
VmLck:\t     128 kB
VmPin:\t       4 kB
VmData:\t     360 kB
CapPrm:\t000001ffffffffff
CapEff:\t${capEff}
CapBnd:\t000001ffffffffff
`

test('the memory that a process has taken is reported in bytes', () => {
  expect(parseProcessMemory(status('0'))).toEqual({
    locked: 128 * 1024,
    pinned: 4 * 1024,
    virtual: 3000 * 1024,
    data: 360 * 1024,
  })
})

test('capabilities are those in effect, not those permitted', () => {
  expect([...parseCapabilities(status('0000000000000000'))]).toEqual([])
  expect([...parseCapabilities(status('0000000000204000'))]).toEqual(['CAP_IPC_LOCK', 'CAP_SYS_ADMIN'])
})

test('the highest capability has bit 40', () => {
  expect([...parseCapabilities(status('0000010000000000'))]).toEqual(['CAP_CHECKPOINT_RESTORE'])
  expect(parseCapabilities(status('000001ffffffffff')).size).toBe(41)
})
