import type { DeviceCalls } from '../contract/device-calls.js'
import { refusedRequest } from '../contract/refusal-reasons.js'
import { CompletionStore } from './completion-store.js'
import type { LoopbackContext } from './context.js'
import { limits } from './limits.js'
import { loadReceive } from './receives.js'
import type { SharedReceives } from './records.js'
import { busy, queueFull, refusal, unsupported } from './refusal.js'

/** Completion channels and queues, and shared receive queues. */
export function queueCalls(context: LoopbackContext) {
  return {
    createChannel() {
      return context.channels.add({ uses: 0 })
    },
    destroyChannel(handle) {
      const channel = context.channels.get('ibv_destroy_comp_channel', handle)
      if (channel.uses > 0) throw busy('ibv_destroy_comp_channel', 'completion queues use it')
      context.channels.remove('ibv_destroy_comp_channel', handle)
    },
    createCompletionQueue({ entries, channel, vector, timestamps }) {
      const verb = 'ibv_create_cq'
      if (entries > limits.completions || vector > 0) {
        throw refusal(verb, `expected up to ${limits.completions} entries, and vector 0`, { entries, vector })
      }
      if (channel !== 0) context.channels.get(verb, channel).uses += 1
      const queue = new CompletionStore(context, entries, channel, timestamps)
      queue.handle = context.completionQueues.add(queue)
      return { handle: queue.handle, entries }
    },
    resizeCompletionQueue(handle, entries) {
      const queue = context.completionQueues.get('ibv_resize_cq', handle)
      if (entries > limits.completions) {
        throw refusal('ibv_resize_cq', `expected up to ${limits.completions} entries`, { entries })
      }
      if (!queue.resize(entries)) {
        throw refusal('ibv_resize_cq', `the queue holds ${queue.count} completions`, { entries })
      }
      return entries
    },
    moderateCompletionQueue(handle) {
      context.completionQueues.get('ibv_modify_cq', handle)
      throw unsupported('ibv_modify_cq', 'the loopback has no interrupts')
    },
    requestNotification(handle, solicitedOnly) {
      context.completionQueues.get('ibv_req_notify_cq', handle).arm(solicitedOnly)
    },
    poll(handle, words, most) {
      return context.completionQueues.get('ibv_poll_cq', handle).poll(words, most)
    },
    destroyCompletionQueue(handle) {
      const queue = context.completionQueues.get('ibv_destroy_cq', handle)
      if (queue.uses > 0) throw busy('ibv_destroy_cq', 'queue pairs use it')
      context.completionQueues.remove('ibv_destroy_cq', handle)
      const channel = context.channels.find(queue.channel)
      if (channel !== undefined) channel.uses -= 1
    },
    createSharedReceiveQueue(domain, capacity) {
      const verb = 'ibv_create_srq'
      const of = context.domains.get(verb, domain)
      if (capacity.requests > limits.sharedRequests || capacity.entries > limits.entries) {
        throw refusal(verb, 'more than the device can give', { ...capacity })
      }
      const queue: SharedReceives = {
        handle: 0,
        domain: of,
        receives: [],
        capacity: capacity.requests,
        entries: capacity.entries,
        limit: 0, // ibv_create_srq(3): the limit is ignored
        uses: 0,
        context,
      }
      queue.handle = context.shared.add(queue)
      of.uses += 1
      return { handle: queue.handle, capacity: { ...capacity, limit: 0 } }
    },
    modifySharedReceiveQueue(handle, { requests, limit }) {
      const queue = context.shared.get('ibv_modify_srq', handle)
      const size = requests ?? queue.capacity
      if (size > limits.sharedRequests || size < queue.receives.length || (limit ?? 0) > size) {
        throw refusal('ibv_modify_srq', `${queue.receives.length} receives are posted, and ${size} were requested`, {
          requests,
          limit,
        })
      }
      queue.capacity = size
      queue.limit = limit ?? queue.limit
    },
    querySharedReceiveQueue(handle) {
      const { capacity, entries, limit } = context.shared.get('ibv_query_srq', handle)
      return { requests: capacity, entries, limit }
    },
    destroySharedReceiveQueue(handle) {
      const queue = context.shared.get('ibv_destroy_srq', handle)
      if (queue.uses > 0) throw busy('ibv_destroy_srq', 'queue pairs use it')
      context.shared.remove('ibv_destroy_srq', handle)
      queue.domain.uses -= 1
    },
    postSharedReceive(handle, words, stride, count) {
      const queue = context.shared.get('ibv_post_srq_recv', handle)
      for (let index = 0; index < count; index++) {
        const loaded = loadReceive(context, words, index * stride, stride, queue.entries)
        if (typeof loaded === 'string') throw refusedRequest('ibv_post_srq_recv', loaded, index)
        if (queue.receives.length >= queue.capacity) {
          throw queueFull('ibv_post_srq_recv', `${queue.capacity} receives are posted`, { posted: index, index })
        }
        queue.receives.push(loaded)
      }
    },
  } satisfies Partial<DeviceCalls>
}
