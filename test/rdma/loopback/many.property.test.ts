import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type MemoryWindow,
  openDevice,
  openRegistrySync,
  parseRemoteMemory,
  type QueuePair,
  type Registration,
} from '../../../src/index.js'

const count = 10_000
const size = 64 * 1024

/** A random number of each object that a step picks. */
const step = fc.record({
  act: fc.constantFrom('register', 'unregister', 'window', 'closeWindow', 'pair', 'closePair', 'write'),
  which: fc.nat(),
})

test(`objects come and go among ${count} of each kind, as a model predicts`, () => {
  const access = ['localWrite', 'remoteWrite', 'remoteRead'] as const
  fc.assert(
    fc.property(fc.array(step, { minLength: 300, maxLength: 300 }), (steps) => {
      using memory = openRegistrySync({ leaks: 'off', regions: { bytes: { size, pages: 'base' } } })
      const region = memory.regions.bytes
      const device = openDevice('loopback0')
      const domain = device.createDomain()
      const queue = device.createCompletionQueue({ entries: 2 ** 19 })
      const pairOf = () => domain.createQueuePair({ sendQueue: queue })
      const registrations: Registration[] = []
      const windows: MemoryWindow[] = []
      const pairs: QueuePair[] = []
      for (let made = 0; made < count; made++) {
        registrations.push(memory.registerSync(region, domain, access))
        windows.push(domain.allocateWindow({ type: 2 }))
        if (made < count / 10) pairs.push(pairOf())
      }
      const [near, far] = [pairOf(), pairOf()]
      near.connect(far.describe(), { access: ['remoteWrite'] })
      far.connect(near.describe(), { access: ['remoteWrite'] })

      const written = (from: Registration, to: ReturnType<typeof parseRemoteMemory>) => {
        near.sends.write(from.slice(0, 8), to.slice(8, 8))
        near.sends.post()
        return queue.poll(4).map(({ status }) => status)
      }
      for (const { act, which } of steps) {
        const taken = <T>(list: T[]): T | undefined => list.splice(which % list.length, 1)[0]
        if (act === 'register') registrations.push(memory.registerSync(region, domain, access))
        else if (act === 'unregister') taken(registrations)?.close()
        else if (act === 'window') windows.push(domain.allocateWindow({ type: 2 }))
        else if (act === 'closeWindow') taken(windows)?.close()
        else if (act === 'pair') pairs.push(pairOf())
        else if (act === 'closePair') taken(pairs)?.close()
        else if (act === 'write') {
          const [from, to] = [registrations[which % registrations.length], registrations.at(-1)]
          if (from === undefined || to === undefined) throw new Error('no registration is left')
          region.bytes.fill(which & 0xff, 0, 8)
          expect(written(from, parseRemoteMemory(to.describe()))).toEqual(['SUCCESS'])
          expect(region.bytes[15]).toBe(which & 0xff)
        }
        expect(memory.registrations(region)).toHaveLength(registrations.length)
      }
      const closed = registrations.pop()
      const stale = parseRemoteMemory(closed?.describe() ?? '')
      closed?.close()
      const [first] = registrations
      if (first === undefined) throw new Error('no registration is left')
      expect(written(first, stale)).toEqual(['REM_ACCESS_ERR'])

      const open = registrations.length + windows.length + pairs.length + 2
      expect(() => domain.close()).toThrowCode('ERR_OBJECT_BUSY', { values: expect.objectContaining({ count: open }) })
      domain.close({ force: true })
      expect(memory.registrations(region)).toEqual([])
      expect([registrations, windows, pairs].flat().every((one) => one.closed)).toBe(true)
      region.close()
      queue.close()
      device.close()
    }),
    { numRuns: 3, endOnFailure: true }, // each run makes 21,000 objects
  )
})
