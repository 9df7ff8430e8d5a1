import { expect, test } from 'vitest'
import { parseDistances, parseNodeMemory, parseReclaimableNodeMemory } from '../../src/system/numa.js'

const meminfo = `Node 1 MemTotal:       24684092 kB
Node 1 MemFree:        21280268 kB
Node 1 MemUsed:         3403824 kB
Node 1 Active:           595436 kB
Node 1 Inactive:        2125348 kB
Node 1 Active(anon):       1600 kB
Node 1 Inactive(anon):    67468 kB
Node 1 Active(file):     593836 kB
Node 1 Inactive(file):  2057880 kB
Node 1 FilePages:       2660572 kB
`

test("a node's memory is reported in bytes", () => {
  expect(parseNodeMemory(meminfo)).toEqual({ total: 24684092 * 1024, free: 21280268 * 1024 })
})

test('file pages count as available memory, and anonymous pages do not', () => {
  expect(parseReclaimableNodeMemory(meminfo)).toBe((21280268 + 593836 + 2057880) * 1024)
})

test('a node without memory reports 0 bytes', () => {
  expect(parseNodeMemory('Node 2 MemTotal:             0 kB\nNode 2 MemFree:              0 kB\n')).toEqual({
    total: 0,
    free: 0,
  })
})

test('distances are read from the row of a node', () => {
  expect(parseDistances('10 21 31\n')).toEqual([10, 21, 31])
})
