import { PinfoldError } from '../errors.js'
import type { Completion } from './completion.js'
import { explainStatus } from './contract/completion-status.js'
import { explainVendorError } from './contract/loopback-vendor-errors.js'
import type { QueuePair } from './queue-pair.js'

/**
 * The error of a request that failed: `ERR_REQUEST_FAILED`. Its values are the status, the vendor's number and the id, as in
 * the completion, and the queue pair.
 */
export function requestFailed(subject: string, queuePair: QueuePair, completion: Completion): PinfoldError {
  const { status, vendorError, id } = completion
  const vendor = vendorError === 0 ? '' : ` (${explainVendorError(queuePair.device.kind, vendorError)})`
  return new PinfoldError(`${subject}: ${status} on ${queuePair.label}: ${explainStatus(status)}${vendor}`, {
    code: 'ERR_REQUEST_FAILED',
    values: { status, vendorError, id, object: queuePair.label },
    hint:
      status === 'WR_FLUSH_ERR'
        ? 'an earlier request failed, or the queue pair was moved to ERR: look for the first failure'
        : 'the queue pair is in ERR now, and flushes all its requests: modify({ state: "RESET" }), then connect() again',
  })
}

/** The error of requests whose queue pair, completion queue or device is gone. */
export function requestLost(subject: string, label: string): PinfoldError {
  return new PinfoldError(`${subject}: ${label} was closed before the request completed`, {
    code: 'ERR_OBJECT_CLOSED',
    values: { object: label },
  })
}

/** The error of requests whose queue pair was moved to RESET, which discards them (ibv_modify_qp(3)). */
export function requestDropped(subject: string, label: string): PinfoldError {
  return new PinfoldError(`${subject}: ${label} was moved to RESET before the request completed`, {
    code: 'ERR_QUEUE_PAIR_STATE',
    values: { object: label, state: 'RESET' },
  })
}

/** The error of a request that is outstanding for longer than `stallAfter`. The device is asked for the state. */
export function requestStalled(
  subject: string,
  queuePair: QueuePair,
  { milliseconds, outstanding }: { readonly milliseconds: number; readonly outstanding: number },
): PinfoldError {
  const { state, timeout, retryCount, rnrRetry } = attributesOf(queuePair)
  return new PinfoldError(
    `${subject}: no completion on ${queuePair.label} for ${milliseconds} ms: it is in ${state}, with ${outstanding} outstanding`,
    {
      code: 'ERR_REQUEST_STALLED',
      values: { object: queuePair.label, state, milliseconds, outstanding, timeout, retryCount, rnrRetry },
      hint:
        rnrRetry === 7 || timeout === 0
          ? 'the queue pair retries without a limit (rnrRetry 7, or timeout 0): does the peer post receives, and is it alive?'
          : 'the device still retries: raise stallAfter, or lower timeout and retryCount in connect()',
    },
  )
}

function attributesOf(queuePair: QueuePair) {
  try {
    return queuePair.query()
  } catch {
    // The device is gone. The error of the stalled request still tells what is known.
    return { state: queuePair.state, timeout: undefined, retryCount: undefined, rnrRetry: undefined }
  }
}
