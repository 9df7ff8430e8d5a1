import * as z from 'zod/mini'
import { checked, later } from '../../options.js'
import { names } from './enum-names.js'

/** `enum ibv_wc_status`, without its IBV_WC_. */
export const completionStatuses = names({
  SUCCESS: 0,
  LOC_LEN_ERR: 1,
  LOC_QP_OP_ERR: 2,
  LOC_EEC_OP_ERR: 3,
  LOC_PROT_ERR: 4,
  WR_FLUSH_ERR: 5,
  MW_BIND_ERR: 6,
  BAD_RESP_ERR: 7,
  LOC_ACCESS_ERR: 8,
  REM_INV_REQ_ERR: 9,
  REM_ACCESS_ERR: 10,
  REM_OP_ERR: 11,
  RETRY_EXC_ERR: 12,
  RNR_RETRY_EXC_ERR: 13,
  LOC_RDD_VIOL_ERR: 14,
  REM_INV_RD_REQ_ERR: 15,
  REM_ABORT_ERR: 16,
  INV_EECN_ERR: 17,
  INV_EEC_STATE_ERR: 18,
  FATAL_ERR: 19,
  RESP_TIMEOUT_ERR: 20,
  GENERAL_ERR: 21,
  TM_ERR: 22,
  TM_RNDV_INCOMPLETE: 23,
})

/** How a work request ended; `explainStatus` says what each means. A number without a name in the headers stands for itself. */
export type CompletionStatus = keyof typeof completionStatuses.byName | `${number}`

/** The meaning of each status and where to look, after ibv_poll_cq(3) and InfiniBand Architecture Specification 1, 11.6.2. */
const explanations: Readonly<Record<keyof typeof completionStatuses.byName, string>> = {
  SUCCESS: 'the request was carried out',
  LOC_LEN_ERR:
    'a message was longer than the receive that it arrived in, or than the port can send; the receiver sees this status',
  LOC_QP_OP_ERR: 'the queue pair cannot do this request, or the request was inconsistent: the fault is on our side',
  LOC_EEC_OP_ERR: 'the end-to-end context (RD transport) is inconsistent; no current device uses it',
  LOC_PROT_ERR:
    'a scatter entry names memory that is not registered in the domain of the queue pair, or with too few rights, such as a receive into memory without localWrite',
  WR_FLUSH_ERR: 'the queue pair was in its error state, or entered it, before the request was carried out',
  MW_BIND_ERR: 'the window could not be bound: registration without bindWindow, range outside it, or too few rights',
  BAD_RESP_ERR: 'the peer answered with something that the protocol does not allow here',
  LOC_ACCESS_ERR: 'a local protection fault while the data of a remote write with immediate arrived',
  REM_INV_REQ_ERR:
    'the peer could not accept the request: message too long for its receive, an operation its queue pair does not allow, a misaligned atomic',
  REM_ACCESS_ERR: 'the peer refused the access: unknown or stale rkey, a range outside it, or a missing right',
  REM_OP_ERR: 'the peer could not finish the request because of a fault on its side',
  RETRY_EXC_ERR:
    'the peer did not answer in time, retries included: the address or queue pair is wrong, or the peer is gone',
  RNR_RETRY_EXC_ERR: 'the peer had no receive posted, through all retries (rnrRetry)',
  LOC_RDD_VIOL_ERR: 'domains do not match (RD transport); no current device uses it',
  REM_INV_RD_REQ_ERR: 'the peer refused the request as invalid (RD transport); no current device uses it',
  REM_ABORT_ERR: 'the peer aborted the request, or the context was destroyed',
  INV_EECN_ERR: 'invalid end-to-end context number (RD transport); no current device uses it',
  INV_EEC_STATE_ERR: 'invalid state of an end-to-end context (RD transport); no current device uses it',
  FATAL_ERR: 'the device itself failed; it may be about to be removed',
  RESP_TIMEOUT_ERR: 'the peer did not answer an atomic or read in time',
  GENERAL_ERR: 'an error of the transport without a status of its own',
  TM_ERR: 'a tag matching operation failed',
  TM_RNDV_INCOMPLETE: 'a tag matching rendezvous has arrived, but software must fetch its data',
}

const statusArgument = later(() => z.string({ error: 'expected the name of a status' }))

/** The meaning of a status and its usual cause, in one sentence. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function explainStatus(status: CompletionStatus): string {
  return (
    explanationOf(checked('explainStatus: status', statusArgument, status)) ??
    'a status that this version of pinfold does not know'
  )
}

function explanationOf(status: string): string | undefined {
  return Object.hasOwn(explanations, status)
    ? Object.entries(explanations).find(([name]) => name === status)?.[1]
    : undefined
}
