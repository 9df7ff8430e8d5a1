import { isAtomic, type Plan } from './plan.js'

/** Bytes before a datagram that was received: the global route header. */
export const headerBytes = 40
/** Memory of one side with --validate is bounded: fewer messages are on the way then. */
const mostSlotBytes = 32 * 1024 * 1024
const cacheLine = 64

/**
 * Where the bytes of messages lie in a side's region: the same places for all sizes, since receives stay posted from one size to
 * the next. Each queue pair has slots to send from (and to read into), and slots to
 * receive into (which the peer writes to, and reads from). Both sides have the same layout.
 */
export interface Layout {
  readonly slots: number
  /** Bytes from slot to slot. */
  readonly stride: number
  /** Bytes of the region. */
  readonly total: number
  source(lane: number, slot: number): number
  target(lane: number, slot: number): number
}

/**
 * Without validation, each queue pair sends the same bytes again, as perftest does: one slot. With it, each message that may
 * be on the way has bytes of its own.
 */
export function layoutOf(plan: Plan): Layout {
  const bytes = Math.max(...plan.sizes)
  const stride = Math.ceil((bytes + headerBytes) / cacheLine) * cacheLine
  const wanted =
    plan.validate && !isAtomic(plan.operation)
      ? Math.max(plan.sendDepth, plan.operation === 'send' ? plan.receiveDepth : 1)
      : 1
  const slots = Math.max(1, Math.min(wanted, Math.floor(mostSlotBytes / stride / plan.queuePairs)))
  const lane = slots * stride
  const half = plan.queuePairs * lane
  return {
    slots,
    stride,
    total: 2 * half,
    source: (index, slot) => index * lane + slot * stride,
    target: (index, slot) => half + index * lane + slot * stride,
  }
}
