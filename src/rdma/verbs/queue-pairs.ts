import { native } from '../../native.js'
import type { DeviceCalls } from '../contract/device-calls.js'
import {
  attributeWords,
  decodeGrant,
  decodeStatus,
  encodeChange,
  encodeGroup,
  encodePath,
  encodeRequest,
} from './attribute-words.js'
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

/** Calls for queue pairs, for posting requests to them, and for address handles. */
export function queuePairCalls(context: OpenContext): QueuePairCalls {
  const { verbs } = native
  return {
    createQueuePair(request) {
      const words = encodeRequest(request)
      const handle = attempted(() => verbs.createQueuePair(context.number, words))
      return { handle, ...decodeGrant(words) }
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
        verbs.postSend(context.number, queuePair, words.buffer, stride, count)
      } catch (error) {
        throw explainRefusal(error, {})
      }
    },
    postReceive(queuePair, words, stride, count) {
      try {
        verbs.postReceive(context.number, queuePair, words.buffer, stride, count)
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
