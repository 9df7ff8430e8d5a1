import assert from 'node:assert/strict'
import { type CaseOfGroup, group } from '../case.js'
import { type Kit, refusal } from '../kit.js'

const before = 0x0123_4567_89ab_cdefn

/** Does one atomic on the second of three words. The other words must not change. */
async function atomic(
  kit: Kit,
  request: { operation: 'compareAndSwap'; compare: bigint; swap: bigint } | { operation: 'fetchAndAdd'; add: bigint },
  start = before,
): Promise<string> {
  const { near, far } = kit.pair()
  const word = kit.buffer(24)
  const result = kit.buffer(24)
  for (const at of [0, 16]) word.set(at, 77n)
  word.set(8, start)
  near.queuePair.post({ ...request, memory: result.registration.slice(8, 8), remote: word.remote.slice(8, 8) })
  const { operation, status } = await kit.completion(near.queue)
  if (status !== 'SUCCESS') return status
  assert.equal(operation, request.operation)
  assert.deepEqual([result.get(0), result.get(8), result.get(16)], [0n, start, 0n], 'the old value comes back')
  assert.deepEqual([word.get(0), word.get(16)], [77n, 77n], 'the neighbours stay')
  assert.deepEqual(far.queue.poll(), [])
  return `0x${word.get(8).toString(16)}`
}

const plain: readonly CaseOfGroup[] = [
  {
    name: 'compare and swap of what is there swaps',
    expects: '0xfedcba9876543210',
    run: (kit) => atomic(kit, { operation: 'compareAndSwap', compare: before, swap: 0xfedc_ba98_7654_3210n }),
  },
  {
    name: 'compare and swap of what is not there leaves it',
    expects: '0x123456789abcdef',
    run: (kit) => atomic(kit, { operation: 'compareAndSwap', compare: before + 1n, swap: 5n }),
  },
  {
    name: 'fetch and add',
    expects: '0x123456789abcdff',
    run: (kit) => atomic(kit, { operation: 'fetchAndAdd', add: 16n }),
  },
  {
    name: 'fetch and add carries into the high half',
    expects: '0x100000000',
    run: (kit) => atomic(kit, { operation: 'fetchAndAdd', add: 1n }, 0xffff_ffffn),
  },
  {
    name: 'fetch and add wraps round at 2^64',
    expects: '0x4',
    run: (kit) => atomic(kit, { operation: 'fetchAndAdd', add: 5n }, 2n ** 64n - 1n),
  },
]

export const atomics = group('atomics', [
  ...plain,
  {
    name: '16 additions of a batch all count',
    expects: '16',
    async run(kit) {
      const { near } = kit.pair()
      const word = kit.buffer(8)
      const result = kit.buffer(128)
      near.queuePair.post(
        Array.from({ length: 16 }, (_, index) => ({
          operation: 'fetchAndAdd' as const,
          memory: result.registration.slice(index * 8, 8),
          remote: word.remote,
          add: 1n,
        })),
      )
      await kit.statuses(near.queue, 16)
      assert.deepEqual(
        Array.from({ length: 16 }, (_, index) => result.get(index * 8)),
        Array.from({ length: 16 }, (_, index) => BigInt(index)),
      )
      return `${word.get(0)}`
    },
  },
  ...(['compareAndSwap', 'fetchAndAdd'] as const).map((operation) => ({
    name: `${operation} at an address that is no multiple of 8`,
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    async run(kit: Kit) {
      const { near } = kit.pair()
      const word = kit.buffer(64)
      const result = kit.buffer(8)
      const at = { memory: result.registration, remote: word.remote.slice(4, 8) }
      const refused = refusal(() =>
        operation === 'fetchAndAdd'
          ? near.queuePair.post({ operation, ...at, add: 1n })
          : near.queuePair.post({ operation, ...at, compare: 0n, swap: 1n }),
      )
      const outcome = refused === 'taken' ? await kit.status(near.queue) : refused
      assert.equal(word.get(0), 0n)
      assert.equal(word.get(8), 0n)
      return outcome
    },
  })),
  {
    name: 'an atomic whose result has no room',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    async run(kit) {
      const { near } = kit.pair()
      const word = kit.buffer(64)
      const result = kit.buffer(8)
      const refused = refusal(() =>
        near.queuePair.post({
          operation: 'fetchAndAdd',
          memory: result.registration.slice(0, 4),
          remote: word.remote.slice(0, 8),
          add: 1n,
        }),
      )
      return refused === 'taken' ? await kit.status(near.queue) : refused
    },
  },
])
