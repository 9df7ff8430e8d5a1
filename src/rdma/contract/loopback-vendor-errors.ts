import * as z from 'zod/mini'
import { checked, later } from '../../options.js'
import type { DeviceKind } from './device-attributes.js'
import { word32 } from './number-options.js'

/** The `vendorError` of the loopback: the check that failed, on this side or at the peer. */
export const loopbackVendorErrors = {
  none: 0,
  unknownKey: 1,
  otherDomain: 2,
  outOfRange: 3,
  missingRight: 4,
  windowNotBound: 5,
  queuePairRight: 6,
  noReceive: 7,
  receiveTooSmall: 8,
  noLocalWrite: 9,
  localDomain: 10,
  noAnswer: 11,
  regionClosed: 12,
  cannotInvalidate: 13,
  cannotBind: 14,
  noReads: 15,
  localRange: 17,
  peerGone: 18,
  badAnswer: 19,
  weather: 20,
} as const

const explanations: ReadonlyMap<number, string> = new Map([
  [loopbackVendorErrors.unknownKey, 'no registration or window has that rkey'],
  [
    loopbackVendorErrors.otherDomain,
    'the rkey belongs to another domain than the queue pair that received the request',
  ],
  [loopbackVendorErrors.outOfRange, 'the range is not inside the memory of the rkey'],
  [loopbackVendorErrors.missingRight, 'the registration or window does not give this right'],
  [loopbackVendorErrors.windowNotBound, 'the window is bound to nothing, or to another queue pair'],
  [
    loopbackVendorErrors.queuePairRight,
    'the queue pair that received the request does not give this right (its access)',
  ],
  [loopbackVendorErrors.noReceive, 'no receive was posted'],
  [loopbackVendorErrors.receiveTooSmall, 'the message is longer than the receive'],
  [loopbackVendorErrors.noLocalWrite, 'the memory that was to be written was registered without localWrite'],
  [loopbackVendorErrors.localDomain, 'a scatter entry belongs to another domain than the queue pair'],
  [loopbackVendorErrors.noAnswer, 'no queue pair of that number is connected to this one and ready to receive'],
  [loopbackVendorErrors.regionClosed, 'the region of a registration was closed'],
  [loopbackVendorErrors.cannotInvalidate, 'the rkey does not belong to a bound window of type 2'],
  [
    loopbackVendorErrors.cannotBind,
    'the window cannot be bound in this way: wrong registration, range or rights, or it is already bound',
  ],
  [loopbackVendorErrors.noReads, 'the peer serves no reads and atomics (maxReadsServed is 0)'],
  [loopbackVendorErrors.localRange, 'a scatter entry is no longer inside its registration'],
  [
    loopbackVendorErrors.peerGone,
    'the thread or process of the peer has ended, has closed its loopback devices, or has closed the connection',
  ],
  [loopbackVendorErrors.badAnswer, 'the peer has answered with something that no loopback answers'],
  [loopbackVendorErrors.weather, 'a test has asked for this error: weather() of pinfold/testing'],
])

const kindArgument = later(() => z.enum(['verbs', 'loopback'], { error: "expected 'verbs' or 'loopback'" }))

/**
 * The meaning of a `vendorError`, if it is known. Hardware vendors document their numbers in part or not at all. Soft-RoCE
 * always gives 0.
 *
 * @param kind of the device that the completion came from: `device.kind`
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function explainVendorError(kind: DeviceKind, vendorError: number): string {
  checked('explainVendorError: kind', kindArgument, kind)
  checked('explainVendorError: vendorError', word32, vendorError)
  if (vendorError === 0) return 'the vendor has nothing to add'
  const known = kind === 'loopback' ? explanations.get(vendorError) : undefined
  return known ?? `vendor error 0x${vendorError.toString(16)}, whose meaning is the vendor's`
}
