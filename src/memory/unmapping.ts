import { native } from '../native.js'
import { JobQueue } from './job-queue.js'

/** Beside the jobs that take memory: these give memory back, so that they wait for none of those. */
const queue = new JobQueue(1)
let next: Promise<void> | undefined

/**
 * Ends an attachment of this thread at once: its ArrayBuffers are detached. If no other thread has the region open, its
 * pages go back to the kernel on another thread, with those of all regions that were left by then. The promise resolves
 * when the kernel has them. It never rejects.
 *
 * If it throws (on a stack overflow), the attachment may be over; the next call gives its pages back, too.
 */
export function leaveRegion(attachment: number): Promise<void> {
  native.leave(attachment)
  next ??= queue.run(unmapAll).catch(unmapAll) // without a place in the queue it does the same
  return next
}

function unmapAll(): Promise<void> {
  next = undefined
  return new Promise((resolve) => {
    if (!native.unmap(resolve)) resolve()
  })
}
