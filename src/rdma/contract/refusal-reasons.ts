import { constants } from 'node:os'
import { PinfoldError } from '../../errors.js'
import { names } from './enum-names.js'

/**
 * Why a work request is refused when it is posted, before a driver sees it. The native part returns the number beside EINVAL
 * (`enum class Refusal` of native/verbs/refusal.h; a test compares the two), and the loopback refuses for the same reasons.
 */
export const refusalReasons = names({
  operation: 1,
  flags: 2,
  inlineOperation: 3,
  inlineBytes: 4,
  inlineMemory: 5,
  entries: 6,
  entryRegistration: 7,
  entryRange: 8,
  atomicBytes: 9,
  addressHandle: 10,
  bindWindow: 11,
  bindRegistration: 12,
  bindBytes: 13,
  bindRange: 14,
  misalignedAtomic: 15,
})

export type RefusalReason = keyof typeof refusalReasons.byName

const sentences: Readonly<Record<RefusalReason, string>> = {
  operation: 'a queue pair of this type does not have that operation',
  flags: 'the flags contain a bit that is not one of sendFlags',
  inlineOperation: 'only sends and writes can be inline',
  inlineBytes: 'the request has more inline bytes than the queue pair takes (inlineBytes)',
  inlineMemory: 'an inline request takes only memory of regions, which the processor can read',
  entries: 'the request has more scatter entries than the queue takes',
  entryRegistration: 'a scatter entry does not name an open registration',
  entryRange: 'a scatter entry is not inside its registration, or is longer than 2 GiB',
  atomicBytes: 'an atomic needs memory of 8 bytes for the former value',
  addressHandle: 'a datagram needs an open address handle',
  bindWindow: 'a bind needs an open memory window',
  bindRegistration: 'a bind needs an open registration',
  bindBytes: 'a bind needs at least one byte',
  bindRange: 'the range is not inside the registration, or no window can be bound to that registration',
  // The native part leaves this check to the driver.
  misalignedAtomic: 'the address of an atomic must be a multiple of 8',
}

/** The error of a request that was refused; `posted` requests of the batch, those before it, are posted. */
export function refusedRequest(verb: string, reason: RefusalReason, posted: number, cause?: unknown): PinfoldError {
  return new PinfoldError(`${verb}: ${sentences[reason]}`, {
    code: 'ERR_DEVICE_REFUSED',
    syscall: verb,
    errno: constants.errno.EINVAL,
    values: { posted, index: posted, reason },
    cause,
  })
}

/** The reason of that number; undefined for a number that is none. */
export function reasonOf(number: unknown): RefusalReason | undefined {
  return refusalReasons.all.find((reason) => refusalReasons.byName[reason] === number)
}
