import { describe, expect, test } from 'vitest'
import {
  borrowHugepages,
  connectionQueueKey,
  createRing,
  openDevice,
  openRegistrySync,
  ringBytes,
} from '../../src/index.js'
import { connectedPair, expectNoLeaks, injectFaults, type LeakOptions, leakCheck } from '../../src/testing/index.js'
import { needs, whyNotPages, whyNotPools } from '../support/requirements.js'

const base = { size: '64KiB', pages: 'base' } as const

/** The list of an error of expectNoLeaks. */
function leftBy(test: () => unknown, options?: LeakOptions): unknown {
  try {
    expectNoLeaks(test, options)
    return undefined
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_LEFT_OPEN' })
    return error instanceof Error && 'values' in error ? error.values : error
  }
}

describe('expectNoLeaks', () => {
  test('lets a test through that closes everything, and returns its result', async () => {
    const use = () => {
      using pair = connectedPair()
      using ring = createRing(pair.near.region.slice(0, ringBytes(64)), { count: 64 })
      ring.enqueue(1)
      return pair.near.region.size
    }
    expect(expectNoLeaks(use)).toBe(65_536)
    expect(await expectNoLeaks(async () => use())).toBe(65_536)
  })

  test('names each region that is left, and its mapping', () => {
    const memory = openRegistrySync()
    const left = leftBy(() => {
      memory.allocateSync('closed', base).close()
      memory.allocateSync('forgotten', base)
    })
    expect(left).toEqual({
      left: ["region 'forgotten'", expect.stringMatching(/^mappings of \/memfd:pinfold:forgotten .*: 64KiB more$/)],
      count: 2,
    })
    memory.close()
  })

  test('names objects of devices, also on a device that was open before', () => {
    using device = openDevice({ loopback: true })
    const left = leftBy(
      () => {
        const queue = device.createCompletionQueue({ entries: 64 })
        device.createDomain().createQueuePair({ sendQueue: queue }).close()
      },
      { scope: 'thread' },
    )
    expect(left).toEqual({
      left: [
        expect.stringMatching(/^completion channel \d+$/),
        expect.stringMatching(/^completion queue \d+$/),
        expect.stringMatching(/^domain \d+$/),
      ],
      count: 3,
    })
  })

  test("does not count the device's own channel of completions, whoever has made the first queue", () => {
    using device = openDevice({ loopback: true })
    expectNoLeaks(() => device.createCompletionQueue({ entries: 16 }).close())
    expectNoLeaks(() => device.createCompletionQueue({ entries: 16 }).close())
    expectNoLeaks(() => connectedPair({ device }).close())
    expectNoLeaks(() => {
      using faults = injectFaults({ device })
      faults.failNext('ibv_create_cq')
      expect(() => device.createCompletionQueue({ entries: 16 })).toThrow()
    })
    using queue = device.createCompletionQueue({ entries: 16 })
    device.createCompletionQueue({ entries: 16, channel: queue.channel }).close()
    expect(queue.channel.closed).toBe(false)
    // A channel of the program stays open without queues.
    using channel = device.createCompletionChannel()
    device.createCompletionQueue({ entries: 16, channel }).close()
    expect(channel.closed).toBe(false)
  })

  test('names listeners, requests, connections and announcements by their places', async () => {
    using device = openDevice({ loopback: true })
    using domain = device.createDomain()
    using sendQueue = device.createCompletionQueue({ entries: 256 })
    using near = domain.createQueuePair({ sendQueue })
    using far = domain.createQueuePair({ sendQueue })
    using datagrams = domain.createQueuePair({ sendQueue, type: 'UD', queueKey: connectionQueueKey })
    const check = leakCheck({ scope: 'thread' })
    const listener = device.listen({ name: 'left-listener' })
    const connecting = device.connect({ name: 'left-listener', queuePair: near })
    const request = await listener.next()
    expect(check.left()).toEqual(['listener left-listener', 'connection', expect.stringMatching(/^request of ./)])
    const accepted = await request.accept({ queuePair: far })
    const connection = await connecting
    const announcement = device.announce({ name: 'left-announcement', queuePair: datagrams })
    expect(check.left()).toEqual([
      'listener left-listener',
      expect.stringMatching(/^connection .+ → left-listener$/),
      expect.stringMatching(/^connection left-listener → ./),
      'announcement left-announcement',
    ])
    announcement.close()
    await connection.disconnect()
    await accepted.closed
    await listener.close()
    await check.verifyAsync()
    check.end()
  })

  test('does not count a device that could not be opened', () => {
    using faults = injectFaults({ noOp: true })
    expectNoLeaks(() => {
      faults.failNext('ibv_query_device_ex', { errno: 'EIO' })
      expect(() => openDevice('noop0')).toThrow(expect.objectContaining({ code: 'ERR_DEVICE_REMOVED' }))
    })
  })

  test('names a registration', () => {
    using pair = connectedPair()
    const { registry, near, domain } = pair
    expect(leftBy(() => registry.registerSync(near.region, domain, []))).toEqual({
      left: [expect.stringMatching(/^registration \d+$/)],
      count: 1,
    })
  })

  test('names few of many things, and counts all', () => {
    using memory = openRegistrySync()
    const make = () => {
      for (let index = 0; index < 100; index++) memory.allocateSync(`r${index}`, { size: 4096, pages: 'base' })
    }
    expect(() => expectNoLeaks(make)).toThrow(/still open: region 'r0', .* and 192 more$/)
  })

  test('sees a loan of hugepages, and the larger hugepage pool', (context) => {
    needs(context, whyNotPools())
    const loans: Disposable[] = []
    const left = leftBy(() => loans.push(borrowHugepages({ pageSize: '2MiB', pages: 2 })), { scope: 'machine' })
    for (const loan of loans) loan[Symbol.dispose]()
    expect(left).toEqual({
      left: ['loans of 2MiB hugepages: 1 more', 'hugepages of 2MiB in the pool: 2 more'],
      count: 2,
    })
  })

  test('sees hugepages, and their descriptor', (context) => {
    needs(context, whyNotPages(1))
    using memory = openRegistrySync()
    const left = leftBy(() => memory.allocateSync('huge', { size: '2MiB', pages: '2MiB' }), { scope: 'machine' })
    expect(left).toEqual({
      left: [
        "region 'huge'",
        expect.stringMatching(/^descriptors of \/memfd:pinfold:huge .*: 1 more$/),
        expect.stringMatching(/^mappings of .*: 2MiB more$/),
        'hugepages in use by this process: 2MiB more',
        'hugepages of 2MiB in use: 1 more',
      ],
      count: 5,
    })
  })

  test('throws the error of the test itself, and then looks for nothing', async () => {
    const failure = new Error('of the test')
    using memory = openRegistrySync()
    const fail = () => {
      memory.allocateSync(`left-${memory.stats().regions}`, base)
      throw failure
    }
    expect(() => expectNoLeaks(fail)).toThrow(failure)
    await expect(expectNoLeaks(async () => fail())).rejects.toBe(failure)
  })

  test('waits for memory that is on its way, and for nothing else', async () => {
    const memory = openRegistrySync()
    await expectNoLeaks(async () => {
      const region = memory.allocateSync('large', { size: '256MiB', pages: 'base' })
      void region.closeAsync()
    })
    const leaking = expectNoLeaks(async () => memory.allocateSync('kept', base), { within: 20 })
    await expect(leaking).rejects.toMatchObject({ code: 'ERR_LEFT_OPEN' })
    memory.close()
  })

  test('sees a registration that failed half-way as closed', () => {
    using pair = connectedPair()
    expectNoLeaks(() => {
      expect(() => pair.registry.registerSync(pair.near.region, pair.domain, ['remoteWrite'])).toThrow()
    })
  })
})

describe('leakCheck', () => {
  test('looks when its block ends', async () => {
    const memory = openRegistrySync()
    expect(() => {
      using _ = leakCheck()
      memory.allocateSync('a', base)
    }).toThrow(expect.objectContaining({ code: 'ERR_LEFT_OPEN' }))
    const leaking = async () => {
      await using _ = leakCheck({ within: 10 })
      memory.allocateSync('b', base)
    }
    await expect(leaking()).rejects.toMatchObject({ code: 'ERR_LEFT_OPEN' })
    memory.close()
  })

  test('can be asked at any time, also several at once', () => {
    const memory = openRegistrySync()
    const outer = leakCheck({ scope: 'thread' })
    memory.allocateSync('one', base)
    const inner = leakCheck({ scope: 'thread' })
    memory.allocateSync('two', base)
    expect([outer.left(), inner.left()]).toEqual([["region 'one'", "region 'two'"], ["region 'two'"]])
    memory.close()
    expect([outer.left(), inner.left()]).toEqual([[], []])
    outer.end()
    inner.end()
  })
})
