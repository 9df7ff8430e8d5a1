import { native } from '../../native.js'
import type { DeviceCalls, SharedReceiveCapacity } from '../contract/device-calls.js'
import type { OpenContext } from './open-context.js'
import { attempted, explainRefusal } from './refusal.js'

type QueueCalls = Pick<
  DeviceCalls,
  | 'createChannel'
  | 'destroyChannel'
  | 'createCompletionQueue'
  | 'resizeCompletionQueue'
  | 'moderateCompletionQueue'
  | 'requestNotification'
  | 'poll'
  | 'destroyCompletionQueue'
  | 'createSharedReceiveQueue'
  | 'modifySharedReceiveQueue'
  | 'querySharedReceiveQueue'
  | 'destroySharedReceiveQueue'
  | 'postSharedReceive'
>

/** Calls for completion channels, completion queues and shared receive queues. */
export function queueCalls(context: OpenContext): QueueCalls {
  const { verbs } = native
  return {
    createChannel: () => attempted(() => verbs.createChannel(context.number)),
    destroyChannel(channel) {
      attempted(() => verbs.destroyChannel(context.number, channel))
    },
    createCompletionQueue({ entries, channel, vector, extended, timestamps }) {
      const handle = attempted(() =>
        verbs.createCompletionQueue(context.number, entries, channel, vector, extended || timestamps, timestamps),
      )
      return { handle, entries: verbs.completionQueueEntries(context.number, handle) }
    },
    resizeCompletionQueue(queue, entries) {
      attempted(() => verbs.resizeCompletionQueue(context.number, queue, entries))
      return verbs.completionQueueEntries(context.number, queue)
    },
    moderateCompletionQueue(queue, count, microseconds) {
      attempted(() => verbs.moderateCompletionQueue(context.number, queue, count, microseconds))
    },
    requestNotification(queue, solicitedOnly) {
      attempted(() => verbs.requestNotification(context.number, queue, solicitedOnly))
    },
    poll(queue, words, most) {
      try {
        return verbs.poll(context.number, queue, words.buffer, most)
      } catch (error) {
        throw explainRefusal(error, {})
      }
    },
    destroyCompletionQueue(queue) {
      attempted(() => verbs.destroyCompletionQueue(context.number, queue))
    },
    createSharedReceiveQueue(domain, { requests, entries, limit }) {
      const words = Uint32Array.of(requests, entries, limit)
      const handle = attempted(() => verbs.createSharedReceiveQueue(context.number, domain, words))
      // ibv_create_srq(3) ignores the limit, so ibv_modify_srq sets it.
      if (limit > 0) {
        try {
          attempted(() => verbs.modifySharedReceiveQueue(context.number, handle, undefined, limit))
        } catch (error) {
          verbs.destroySharedReceiveQueue(context.number, handle)
          throw error
        }
      }
      return { handle, capacity: { ...capacityOf(words), limit } }
    },
    modifySharedReceiveQueue(queue, { requests, limit }) {
      attempted(() => verbs.modifySharedReceiveQueue(context.number, queue, requests, limit))
    },
    querySharedReceiveQueue(queue) {
      const words = new Uint32Array(3)
      attempted(() => verbs.querySharedReceiveQueue(context.number, queue, words))
      return capacityOf(words)
    },
    destroySharedReceiveQueue(queue) {
      attempted(() => verbs.destroySharedReceiveQueue(context.number, queue))
    },
    postSharedReceive(queue, words, stride, count) {
      try {
        verbs.postSharedReceive(context.number, queue, words.buffer, stride, count)
      } catch (error) {
        throw explainRefusal(error, {})
      }
    },
  }
}

function capacityOf([requests = 0, entries = 0, limit = 0]: Uint32Array): SharedReceiveCapacity {
  return { requests, entries, limit }
}
