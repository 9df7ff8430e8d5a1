import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openDevice } from '../../src/rdma/devices/open-device.js'
import type { Device } from '../../src/rdma/index.js'

let device: Device
beforeEach(() => {
  device = openDevice({ loopback: true })
})
afterEach(() => {
  vi.restoreAllMocks()
  device.close({ force: true })
})

/** Collects process warnings about completion queues from now on. */
function queueWarnings(): string[] {
  const told: string[] = []
  vi.spyOn(process, 'emitWarning').mockImplementation((warning, options) => {
    if (typeof options === 'object' && options.code === 'PINFOLD_QUEUE_ENTRIES') told.push(String(warning))
  })
  return told
}

describe('a completion queue', () => {
  test('with less room than its outstanding requests may need is reported once, with both numbers', () => {
    const warnings = queueWarnings()
    const domain = device.createDomain()
    const queue = device.createCompletionQueue({ entries: 128 })
    domain.createQueuePair({ sendQueue: queue })
    expect(warnings).toEqual([])

    domain.createQueuePair({ sendQueue: queue, sendRequests: 8, receiveRequests: 8 })
    domain.createQueuePair({ sendQueue: queue })

    expect(warnings).toEqual([
      `createQueuePair: 144 requests may be outstanding on ${queue.label}, which has room for 128 completions`,
    ])
  })

  test('counts only requests that complete on it, shared receives once, and no closed queue pair', () => {
    const warnings = queueWarnings()
    const domain = device.createDomain()
    const [sendQueue, receiveQueue] = [24, 16].map((entries) => device.createCompletionQueue({ entries }))
    if (sendQueue === undefined || receiveQueue === undefined) throw new Error('no queues')
    const sharedReceiveQueue = domain.createSharedReceiveQueue({ requests: 16 })
    const options = { sendQueue, receiveQueue, sharedReceiveQueue, sendRequests: 8 }
    const pairs = [1, 2, 3].map(() => domain.createQueuePair(options))
    pairs[0]?.close()
    domain.createQueuePair(options)
    for (const pair of pairs) pair.close()
    domain.createQueuePair({ sendQueue, receiveQueue, sendRequests: 8, receiveRequests: 1 }).close()
    expect(warnings).toEqual([
      `createQueuePair: 17 requests may be outstanding on ${receiveQueue.label}, which has room for 16 completions`,
    ])
  })
})
