/**
 * A physical address in bytes. A number: architectures stop at 52 bits (Intel SDM vol. 3, 4.1.4 MAXPHYADDR; Arm ARM
 * FEAT_LPA), which a double holds exactly. In a virtual machine it is the guest's.
 */
export type PhysicalAddress = number

/** A virtual address of this (or another) process. A bigint, since five-level page tables reach 57 bits. */
export type VirtualAddress = bigint

/** An address as `/proc` and kernel logs write it: `0x` and lower-case hex, no padding. */
export function formatAddress(address: number | bigint): string {
  return `0x${address.toString(16)}`
}
