import type { CompletionQueue } from './completion-queue.js'
import type { EventSubject, EventType } from './contract/async-events.js'
import type { QueuePair } from './queue-pair.js'
import type { SharedReceiveQueue } from './shared-receive-queue.js'

/** An event of a device: ibv_get_async_event(3). */
export interface DeviceEvent {
  /**
   * 'PORT_ERR', 'QP_FATAL', 'DEVICE_FATAL' (the device is being removed), … 'REQUEST_STALLED' comes from pinfold itself: a
   * request of the queue pair is outstanding for longer than its `stallAfter`.
   */
  readonly type: EventType | 'REQUEST_STALLED'
  readonly subject: EventSubject
  /** The number of the port, for an event of a port. */
  readonly port: number | undefined
  /** The object, for an event of an object; undefined when it was closed meanwhile. */
  readonly queuePair: QueuePair | undefined
  readonly completionQueue: CompletionQueue | undefined
  readonly sharedReceiveQueue: SharedReceiveQueue | undefined
}
