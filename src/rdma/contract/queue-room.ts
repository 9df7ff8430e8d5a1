/**
 * The hint of an ERR_QUEUE_FULL that a device answered, by the verb that it refused. Requests leave a queue when their
 * completions are polled, and the program chooses the size of a queue when it creates it.
 */
export function roomHint(verb: string): string {
  if (verb === 'ibv_post_srq_recv') {
    return 'poll completions until receives are used up, or createSharedReceiveQueue({ requests }) with more'
  }
  if (verb === 'ibv_post_recv') {
    return 'poll completions until receives are used up, or createQueuePair({ receiveRequests }) with more'
  }
  // A request without a completion of its own leaves the queue with a later request that makes one.
  return 'poll completions (of unsignaled requests, those of a later signaled one), or createQueuePair({ sendRequests }) with more'
}
