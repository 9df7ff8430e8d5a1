import fc from 'fast-check'
import { afterAll, expect, test, vi } from 'vitest'
import { openRegistrySync, parseRemoteMemory } from '../../src/index.js'
import { requestOpcodes, sendFlags } from '../../src/rdma/contract/operations.js'
import { entryWord, sendHeaderWords, sendWord } from '../../src/rdma/contract/work-layout.js'
import { callsOf } from '../../src/rdma/device-object.js'
import { openDevice } from '../../src/rdma/devices/open-device.js'

const memory = openRegistrySync({ leaks: 'off' })
const region = memory.allocateSync('source', { size: '64KiB', pages: 'base' })
const device = openDevice({ loopback: true })
const domain = device.createDomain()
const queue = device.createCompletionQueue({ entries: 512 })
const queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 64 })
queuePair.connect(queuePair.describe())
const local = memory.registerSync(region, domain, ['localWrite'])
/** It has no bytes, and a length of 2 GiB. */
const endless = domain.registerNull()

const posted: number[][] = []
vi.spyOn(callsOf(device), 'postSend').mockImplementation((_pair, words, stride, count) => {
  for (let index = 0; index < count; index++) posted.push([...words.slice(index * stride, (index + 1) * stride)])
})

afterAll(() => {
  device.close({ force: true })
  memory.close()
})

test('a series is the same as its pieces, written one by one', () => {
  const edge = fc.oneof(fc.nat(2 ** 20), fc.integer({ min: 2 ** 32 - 4096, max: 2 ** 32 + 4096 }))
  const series = fc.record({
    isRead: fc.boolean(),
    isEndless: fc.boolean(),
    from: edge,
    to: edge,
    base: fc.constantFrom(0n, 0x7fff_f000n, 0xffff_f000n, 0x7f12_ffff_f000n),
    count: fc.integer({ min: 1, max: 40 }),
    step: fc.nat(1500),
    length: fc.integer({ min: 1, max: 1500 }),
    id: fc.oneof(fc.nat(1000), fc.integer({ min: 2 ** 31 - 20, max: 2 ** 32 + 20 })),
    signaled: fc.constantFrom('last', 'all', 'none'),
  })
  let far = 0
  fc.assert(
    fc.property(series, ({ isRead, isEndless, from, to, base, count, step, length, id, signaled }) => {
      const span = (count - 1) * step + length
      const source = isEndless ? endless.slice(from % 2 ** 20, span) : local.slice(from % 4096, span % 60_000)
      const remote = parseRemoteMemory({ address: base, length: 2 ** 40, rkey: 0x8765_4321 }).slice(to, span)
      if (source.length < span) return
      const { sends } = queuePair
      if (isRead) sends.readSeries(source, remote, { count, step, length, id, signaled })
      else sends.writeSeries(source, remote, { count, step, length, id, signaled })
      expect(sends.staged).toBe(count)
      sends.post()
      const together = posted.splice(0)
      for (let piece = 0; piece < count; piece++) {
        const isSignaled = signaled === 'all' || (signaled === 'last' && piece === count - 1)
        const pieces = [source.slice(piece * step, length), remote.slice(piece * step, length)] as const
        const flags = isSignaled ? sendFlags.signaled : 0
        if (isRead) sends.read(...pieces, id + piece, flags)
        else sends.write(...pieces, id + piece, flags)
      }
      sends.post()
      expect(together).toEqual(posted.splice(0))
      if (isEndless) far += 1
    }),
    { numRuns: 500 },
  )
  expect(far).toBeGreaterThan(50)
})

test('a series that does not fit leaves the batch as it was', () => {
  const { sends } = queuePair
  const remote = parseRemoteMemory({ address: 0n, length: 4096, rkey: 1 })
  const slice = local.slice(0, 4096)
  sends.write(slice, remote)
  for (const [source, target, series, code] of [
    [slice, remote, { count: 2, step: 4095 }, 'ERR_OUT_OF_RANGE'],
    [slice, remote.slice(1), { count: 4, step: 1024 }, 'ERR_OUT_OF_RANGE'],
    [slice.slice(1), remote, { count: 4, step: 1024 }, 'ERR_OUT_OF_RANGE'],
    [slice, remote, { count: 64, step: 1 }, 'ERR_QUEUE_FULL'],
    [slice, remote, { count: 2, step: 0 }, 'ERR_INVALID_ARGUMENT'],
  ] as const) {
    expect(() => sends.writeSeries(source, target, series)).toThrow(expect.objectContaining({ code }))
    expect(sends.staged).toBe(1)
  }
  sends.clear()
})

test('neighbours join, whatever the operations and the kinds of memory, and other requests do not', () => {
  const remote = parseRemoteMemory({ address: 0x7fff_f000n, length: 2 ** 20, rkey: 7 })
  const move = fc.record({
    isRead: fc.boolean(),
    piece: fc.nat(3),
    isSignaled: fc.boolean(),
    isListed: fc.boolean(),
  })
  let joinedAll = 0
  fc.assert(
    fc.property(fc.array(move, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 8 }), (moves, capacity) => {
      const batch = queuePair.createBatch({ capacity, coalesce: true })
      /** The requests as they must be: operation, first piece, pieces, whether it is signaled, and its id. */
      const model: [boolean, number, number, boolean, number][] = []
      let joined = 0
      for (const [id, { isRead, piece, isSignaled, isListed }] of moves.entries()) {
        const memory = local.slice(piece * 64, 64)
        const last = model.at(-1)
        const joins = last !== undefined && last[0] === isRead && !last[3] && last[1] + last[2] === piece
        const call = () => {
          const of = isListed ? [memory] : memory
          const to = remote.slice(piece * 64, 64)
          const flags = isSignaled ? sendFlags.signaled : 0
          return isRead ? batch.read(of, to, id, flags) : batch.write(of, to, id, flags)
        }
        if (!joins && model.length === capacity) {
          expect(call).toThrow(expect.objectContaining({ code: 'ERR_QUEUE_FULL' }))
          continue
        }
        call()
        if (joins) {
          last[2] += 1
          last[3] = isSignaled
          last[4] = id
          joined += 1
        } else {
          model.push([isRead, piece, 1, isSignaled, id])
        }
      }
      expect([batch.staged, batch.coalesced]).toEqual([model.length, joined])
      joinedAll += joined
      posted.length = 0
      batch.post()
      const seen = posted
        .splice(0)
        .map((words) => [
          words[sendWord.opcode] === requestOpcodes.byName.read,
          (words[sendHeaderWords + entryWord.offset] ?? 0) / 64,
          (words[sendHeaderWords + entryWord.length] ?? 0) / 64,
          words[sendWord.flags] === sendFlags.signaled,
          words[sendWord.id],
        ])
      expect(seen).toEqual(model)
    }),
    { numRuns: 500 },
  )
  expect(joinedAll).toBeGreaterThan(50)
})

test('a series whose ids would pass 2^53 - 1 is refused', () => {
  const remote = parseRemoteMemory({ address: 0n, length: 4096, rkey: 1 })
  const series = { count: 4, step: 8, id: Number.MAX_SAFE_INTEGER - 1, signaled: 'all' } as const
  for (const batch of [queuePair.sends, queuePair.createBatch({ coalesce: true })]) {
    expect(() => batch.writeSeries(local, remote, series)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
    expect(batch.staged).toBe(0)
  }
})
