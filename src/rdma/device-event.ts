import type { CompletionQueue } from './completion-queue.js'
import type { EventSubject, EventType } from './contract/async-events.js'
import type { QueuePair } from './queue-pair.js'
import type { SharedReceiveQueue } from './shared-receive-queue.js'

/** What a device has told by itself: ibv_get_async_event(3). */
export interface DeviceEvent {
  /** 'PORT_ERR', 'QP_FATAL', 'DEVICE_FATAL' (it is being removed), … */
  readonly type: EventType
  readonly subject: EventSubject
  /** Of an event of a port: its number. */
  readonly port: number | undefined
  /** Of an event of an object: that object; undefined when it was closed meanwhile. */
  readonly queuePair: QueuePair | undefined
  readonly completionQueue: CompletionQueue | undefined
  readonly sharedReceiveQueue: SharedReceiveQueue | undefined
}
