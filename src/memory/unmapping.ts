import { native } from '../native.js'
import { JobQueue } from './job-queue.js'

/** Beside the jobs that take memory: these give memory back, so that they wait for none of those. */
const queue = new JobQueue(1)
let next: Promise<void> | undefined

/**
 * Ends an attachment of this thread at once: its ArrayBuffers are detached. If no other thread has the region open, its
 * pages go back to the kernel on another thread, with those of all regions that were left by then. The promise resolves
 * when the kernel has them. It never rejects.
 */
export function leaveRegion(attachment: number): Promise<void> {
  next ??= unmapAll() // first: nothing may throw between the two
  native.leave(attachment)
  return next
}

async function unmapAll(): Promise<void> {
  const end = await queue.enter()
  next = undefined
  await new Promise<void>((resolve) => {
    if (!native.unmap(resolve)) resolve()
  })
  end()
}
