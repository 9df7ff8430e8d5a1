import { native } from '../../native.js'
import type { DeviceCalls, QueuePairRequest } from '../contract/device-calls.js'
import { attributeWords, decodeStatus, encodeChange, encodeGroup, encodePath } from './attribute-words.js'
import type { OpenContext } from './open-context.js'
import { attempted, explainRefusal } from './refusal.js'

type QueuePairCalls = Pick<
  DeviceCalls,
  | 'createQueuePair'
  | 'modifyQueuePair'
  | 'queryQueuePair'
  | 'destroyQueuePair'
  | 'postSend'
  | 'postReceive'
  | 'attachMulticast'
  | 'detachMulticast'
  | 'createAddressHandle'
  | 'destroyAddressHandle'
>

/** Queue pairs, what is posted to them, and address handles. */
export function queuePairCalls(context: OpenContext): QueuePairCalls {
  const { verbs } = native
  return {
    createQueuePair(request) {
      const words = requestWords(request)
      const handle = attempted(() => verbs.createQueuePair(context.number, words))
      const [sendRequests = 0, receiveRequests = 0, sendEntries = 0, receiveEntries = 0, inlineBytes = 0] =
        words.subarray(5)
      const capacity = { sendRequests, receiveRequests, sendEntries, receiveEntries, inlineBytes }
      return { handle, number: words[11] ?? 0, capacity }
    },
    modifyQueuePair(queuePair, change) {
      attempted(() => verbs.modifyQueuePair(context.number, queuePair, encodeChange(change)))
    },
    queryQueuePair(queuePair) {
      const words = new Uint32Array(attributeWords)
      attempted(() => verbs.queryQueuePair(context.number, queuePair, words))
      return decodeStatus(words)
    },
    destroyQueuePair(queuePair) {
      attempted(() => verbs.destroyQueuePair(context.number, queuePair))
    },
    postSend(queuePair, words, stride, count) {
      try {
        verbs.postSend(context.number, queuePair, words, stride, count)
      } catch (error) {
        throw explainRefusal(error, {})
      }
    },
    postReceive(queuePair, words, stride, count) {
      try {
        verbs.postReceive(context.number, queuePair, words, stride, count)
      } catch (error) {
        throw explainRefusal(error, {})
      }
    },
    attachMulticast(queuePair, gid, lid) {
      attempted(() => verbs.attachMulticast(context.number, queuePair, encodeGroup(gid, lid)))
    },
    detachMulticast(queuePair, gid, lid) {
      attempted(() => verbs.detachMulticast(context.number, queuePair, encodeGroup(gid, lid)))
    },
    createAddressHandle: (domain, path) =>
      attempted(() => verbs.createAddressHandle(context.number, domain, encodePath(path))),
    destroyAddressHandle(handle) {
      attempted(() => verbs.destroyAddressHandle(context.number, handle))
    },
  }
}

/** In the order that createQueuePair of src/native-verbs.ts names. */
function requestWords({ capacity, signalAll, ...request }: QueuePairRequest): Uint32Array {
  return Uint32Array.of(
    request.type,
    request.domain,
    request.sendQueue,
    request.receiveQueue,
    request.sharedReceiveQueue,
    capacity.sendRequests,
    capacity.receiveRequests,
    capacity.sendEntries,
    capacity.receiveEntries,
    capacity.inlineBytes,
    signalAll ? 1 : 0,
    0,
  )
}
