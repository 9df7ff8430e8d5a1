import { PinfoldError } from './errors.js'
import { describe } from './sizes.js'

/**
 * A physical address in bytes. It is a number, since x86-64 and arm64 stop at 52 bits (Intel SDM vol. 3, 4.1.4
 * MAXPHYADDR; Arm ARM FEAT_LPA) and a double is exact below 2^53. In a virtual machine it is the guest's physical
 * address.
 */
export type PhysicalAddress = number

/** A virtual address of this process or of another one. It is a bigint, since five-level page tables reach 57 bits. */
export type VirtualAddress = bigint

/**
 * Formats an address as `/proc` and kernel logs write it: `0x` and lower-case hex, no padding.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for a value that is not an address: negative, above 64 bits, fractional,
 *   not exact, or of another type
 */
export function formatAddress(address: number | bigint): string {
  if (!(typeof address === 'bigint' || Number.isSafeInteger(address)) || address < 0 || address >= 2n ** 64n) {
    throw new PinfoldError(`formatAddress: expected an address, received ${describe(address)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { address },
    })
  }
  return `0x${address.toString(16)}`
}
