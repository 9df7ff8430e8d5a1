/**
 * What mends ERR_QUEUE_FULL of a device, by the verb that it refused: requests leave a queue as they complete, and whoever
 * makes the queue chooses its size.
 */
export function roomHint(verb: string): string {
  if (verb === 'ibv_post_srq_recv') {
    return 'poll completions until receives are used up, or createSharedReceiveQueue({ requests }) with more'
  }
  if (verb === 'ibv_post_recv') {
    return 'poll completions until receives are used up, or createQueuePair({ receiveRequests }) with more'
  }
  // Requests that make no completion of their own leave only with a later one that does.
  return 'poll completions (of unsignaled requests, those of a later signaled one), or createQueuePair({ sendRequests }) with more'
}
