import assert from 'node:assert/strict'
import { type Buffer, everyRight } from '../buffer.js'
import { type CaseOfGroup, group, Unsupported } from '../case.js'
import type { Kit } from '../kit.js'
import { refusal } from '../kit.js'
import { probe } from '../memory-kind.js'
import type { Access, Registration } from '../rdma.js'
import { parseRemoteMemory } from '../rdma.js'
import { assertBytes } from '../transfer.js'

/** Writes all of `from` into `registration`, from its offset `at` on, as a peer does. Returns the status. */
async function writeInto(kit: Kit, from: Buffer, registration: Registration, at = 0): Promise<string> {
  const { near } = kit.pair()
  const remote = parseRemoteMemory(registration.describe()).slice(at, from.registration.length)
  near.queuePair.post({ operation: 'write', memory: from.registration, remote })
  return await kit.status(near.queue)
}

const remoteRights: readonly Access[] = ['localWrite', 'remoteWrite', 'remoteRead']

/** Flags that each case adds to the rights that a peer needs. A device may lack some of them. */
const flags: readonly Access[] = ['remoteAtomic', 'bindWindow', 'zeroBased', 'onDemand', 'hugePages', 'relaxedOrdering']

const withFlags = flags.map((flag) => ({
  name: `memory that is registered with ${flag}`,
  expects: 'SUCCESS',
  async run(kit: Kit) {
    const access: readonly Access[] = [...remoteRights, flag, ...(flag === 'hugePages' ? (['onDemand'] as const) : [])]
    // Linux requires that the address and the memory have the same offset in their pages.
    const start = flag === 'zeroBased' ? 0 : 256
    const to = kit.optional(flag, () => probe(() => kit.part(4096, start, 512, access)))
    const from = kit.buffer(64).fill(1)
    if (flag === 'zeroBased') assert.equal(to.registration.describe().address, '0x0')
    const status = await writeInto(kit, from, to.registration, 100)
    const expected = new Uint8Array(4096)
    expected.set(from.bytes, start + 100)
    assertBytes(to.bytes, expected)
    return status
  },
}))

const odd: readonly CaseOfGroup[] = [
  [1, 1],
  [4095, 2],
  [13, 8191],
  [4097, 4096],
].map(([offset = 0, length = 0]) => ({
  name: `${length} bytes from offset ${offset} on, and no byte more`,
  expects: 'SUCCESS, then REM_ACCESS_ERR and REM_ACCESS_ERR',
  async run(kit) {
    const to = kit.part(16_384, offset, length)
    const from = kit.buffer(length).fill(7)
    const written = await writeInto(kit, from, to.registration)
    const expected = new Uint8Array(16_384)
    expected.set(from.bytes, offset)
    assertBytes(to.bytes, expected)
    const one = kit.buffer(1).fill(99)
    const outcomes: string[] = []
    for (const remote of [to.forged({ before: 1 }).slice(0, 1), to.forged({ after: 1 }).slice(length, 1)]) {
      const { near } = kit.pair()
      near.queuePair.post({ operation: 'write', memory: one.registration, remote })
      outcomes.push(await kit.status(near.queue))
    }
    assertBytes(to.bytes, expected)
    return `${written}, then ${outcomes.join(' and ')}`
  },
}))

export const registrations = group('registrations', [
  ...odd,
  ...withFlags,
  {
    name: 'the same memory twice: two keys, each with its own rights',
    expects: 'SUCCESS, then REM_ACCESS_ERR',
    async run(kit) {
      const to = kit.buffer(64)
      const other = kit.memory.registerSync(to.region, kit.domain, ['localWrite'])
      assert.notEqual(to.registration.rkey, other.rkey)
      const from = kit.buffer(8).fill(1)
      const first = await writeInto(kit, from, to.registration)
      return `${first}, then ${await writeInto(kit, from, other)}`
    },
  },
  {
    name: 'registered beside the event loop',
    expects: 'SUCCESS',
    async run(kit) {
      const { region } = kit.buffer(64)
      const registration = await kit.memory.register(region.slice(3, 50), kit.domain, everyRight)
      assert.deepEqual([registration.length, registration.offset], [50, 3])
      return await writeInto(kit, kit.buffer(50).fill(1), registration)
    },
  },
  {
    // The kernel requires this for all devices (ib_uverbs).
    name: 'a chosen address that is not at the same place of its page as the memory',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run: (kit) => refusal(() => kit.part(8192, 10, 5000, everyRight, { address: 0x7000_0000_0123n })),
  },
  {
    name: 'a chosen address within a page, at the same place as the memory',
    expects: 'SUCCESS',
    async run(kit) {
      const to = kit.part(8192, 10, 5000, everyRight, { address: 0x7000_0000_000an })
      const status = await writeInto(kit, kit.buffer(5000).fill(1), to.registration)
      assert.deepEqual([to.bytes[9], to.bytes[5010]], [0, 0])
      return status
    },
  },
  {
    name: 'chosen address 0',
    expects: 'SUCCESS',
    async run(kit) {
      const to = kit.buffer(4096, everyRight, { address: 0n })
      const from = kit.buffer(4096).fill(1)
      const status = await writeInto(kit, from, to.registration)
      assertBytes(to.bytes, from.bytes)
      return status
    },
  },
  {
    name: 'a chosen address from which the memory would reach beyond 64 bits',
    expects: 'ERR_OUT_OF_RANGE',
    run: (kit) => refusal(() => kit.buffer(8192, everyRight, { address: 2n ** 64n - 4096n })),
  },
  {
    name: 'reregister with other rights',
    expects: 'REM_ACCESS_ERR',
    async run(kit) {
      const to = kit.buffer(64)
      kit.optional('reregister', () => to.registration.reregister({ access: ['localWrite', 'remoteRead'] }))
      return await writeInto(kit, kit.buffer(8), to.registration)
    },
  },
  {
    name: 'reregister in another domain',
    expects: 'REM_ACCESS_ERR',
    async run(kit) {
      const to = kit.buffer(64)
      const domain = kit.device.createDomain()
      kit.optional('reregister', () => to.registration.reregister({ domain }))
      assert.equal(to.registration.domain, domain)
      return await writeInto(kit, kit.buffer(8), to.registration)
    },
  },
  {
    name: 'reregister of other memory',
    expects: 'SUCCESS',
    async run(kit) {
      const { registration, bytes: old } = kit.buffer(64)
      const to = kit.buffer(64)
      const from = kit.buffer(64).fill(1)
      kit.optional('reregister', () => registration.reregister({ memory: to.region.slice(0, 64) }))
      const status = await writeInto(kit, from, registration)
      assertBytes(to.bytes, from.bytes)
      assertBytes(old, new Uint8Array(64))
      return status
    },
  },
  {
    name: 'a null registration drops what is received into it',
    expects: 'SUCCESS',
    async run(kit) {
      const nothing = kit.optional('null registrations', () => kit.domain.registerNull())
      const { near, far } = kit.pair()
      const from = kit.buffer(64).fill(1)
      const to = kit.buffer(64)
      far.queuePair.postReceive({ memory: [nothing.slice(0, 10), to.registration] })
      near.queuePair.post({ operation: 'send', memory: from.registration })
      const status = await kit.status(far.queue)
      assertBytes(to.bytes.subarray(0, 54), from.bytes.subarray(10))
      return status
    },
  },
  {
    name: 'a null registration gives zeros',
    expects: 'SUCCESS',
    async run(kit) {
      const nothing = kit.optional('null registrations', () => kit.domain.registerNull())
      const { near } = kit.pair()
      const to = kit.buffer(64).fill(1)
      near.queuePair.post({ operation: 'write', memory: nothing.slice(0, 64), remote: to.remote })
      const status = await kit.status(near.queue)
      assertBytes(to.bytes, new Uint8Array(64))
      return status
    },
  },
  {
    name: 'all of the address space on demand: a covered part, and no byte more',
    expects: 'SUCCESS',
    async run(kit) {
      const implicit = kit.optional('implicit on-demand paging', () =>
        probe(() => kit.domain.registerImplicit(['localWrite'])),
      )
      const { region, bytes } = kit.buffer(64)
      const cover = implicit.cover(region.slice(10, 20))
      assert.equal(
        refusal(() => cover.slice(0, 21)),
        'ERR_OUT_OF_RANGE',
      )
      const from = kit.buffer(20).fill(1)
      const { near } = kit.pair()
      near.queuePair.post({ operation: 'read', memory: cover, remote: from.remote })
      const status = await kit.status(near.queue)
      assertBytes(bytes.subarray(10, 30), from.bytes)
      assert.equal(bytes[30], 0)
      return status
    },
  },
  {
    name: 'advise of on-demand memory',
    expects: 'taken',
    run(kit) {
      const { registration } = kit.optional('onDemand', () => probe(() => kit.buffer(8192, ['localWrite', 'onDemand'])))
      kit.optional('advise', () => kit.domain.advise('prefetchWrite', [registration.slice(10, 5000)], { flush: true }))
      return 'taken'
    },
  },
  {
    name: 'device memory, written by a peer and read by us',
    expects: 'SUCCESS',
    async run(kit) {
      const memory = kit.optional('device memory', () => kit.device.allocateDeviceMemory({ size: 256 }))
      const registration = kit.domain.registerDeviceMemory(memory, remoteRights, { offset: 64, length: 128 })
      const from = kit.buffer(16).fill(1)
      const status = await writeInto(kit, from, registration, 8)
      const seen = new Uint8Array(18)
      memory.read(71, seen)
      assertBytes(seen, Uint8Array.from([0, ...from.bytes, 0]))
      return status
    },
  },
  {
    name: 'a dma-buf',
    expects: 'registered',
    run(kit) {
      // The test has no dma-buf. A device that knows dma-bufs refuses descriptor 0, since it is not a dma-buf.
      const refused = refusal(() => kit.domain.registerDmabuf({ descriptor: 0, length: 4096 }, ['localWrite']))
      if (refused === 'ERR_UNSUPPORTED' || refused === 'ERR_VERBS_SYMBOL') throw new Unsupported(`dma-buf: ${refused}`)
      return refused
    },
  },
])
