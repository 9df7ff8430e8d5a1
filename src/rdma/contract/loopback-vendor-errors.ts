import * as z from 'zod'
import { checked } from '../../options.js'
import type { DeviceKind } from './device-attributes.js'
import { word32 } from './number-options.js'

/** What the loopback says as `vendorError`: which of its checks failed. The peer's numbers tell of the peer's check. */
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
} as const

const explanations: ReadonlyMap<number, string> = new Map([
  [loopbackVendorErrors.unknownKey, 'no registration or window has that rkey (any more)'],
  [loopbackVendorErrors.otherDomain, 'the rkey is of another domain than the queue pair that the request came to'],
  [loopbackVendorErrors.outOfRange, 'the range is not inside of what the rkey stands for'],
  [loopbackVendorErrors.missingRight, 'the registration or window does not give this right'],
  [loopbackVendorErrors.windowNotBound, 'the window is bound to nothing, or to another queue pair'],
  [
    loopbackVendorErrors.queuePairRight,
    'the queue pair that the request came to does not give this right (its access)',
  ],
  [loopbackVendorErrors.noReceive, 'no receive was posted'],
  [loopbackVendorErrors.receiveTooSmall, 'the message is longer than the receive'],
  [loopbackVendorErrors.noLocalWrite, 'the memory to be written was registered without localWrite'],
  [loopbackVendorErrors.localDomain, 'a scatter entry is of another domain than the queue pair'],
  [loopbackVendorErrors.noAnswer, 'no queue pair of that number is connected to this one and ready to receive'],
  [loopbackVendorErrors.regionClosed, 'the region of a registration was closed'],
  [loopbackVendorErrors.cannotInvalidate, 'the rkey is of no window of type 2 that is bound'],
  [
    loopbackVendorErrors.cannotBind,
    'the window cannot be bound so: registration, range, rights, or it is bound already',
  ],
  [loopbackVendorErrors.noReads, 'the peer serves no reads and atomics (maxReadsServed is 0)'],
  [loopbackVendorErrors.localRange, 'a scatter entry is not inside of its registration any more'],
])

const kindArgument = z.lazy(() => z.enum(['verbs', 'loopback'], { error: "expected 'verbs' or 'loopback'" }))

/**
 * What a `vendorError` means, as far as it is known. The numbers of hardware are its vendor's, and documented in part at
 * best; Soft-RoCE always says 0.
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
