import { formatAddress, type VirtualAddress } from '../addresses.js'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'

interface Range<Value> {
  readonly start: number
  readonly end: number
  readonly value: Value
}

/** One past the last virtual address of a 64-bit machine. */
const addressLimit = 2n ** 64n

/**
 * Which value owns an address: ranges that do not overlap, from the highest down.
 *
 * Looking up is a binary search. Adding moves what lies below by one slot: mostly nothing, since the kernel places
 * mappings from the top down, and at worst a memmove of pointers, of which vm.max_map_count allows some 65,530.
 *
 * Addresses are held as numbers: the native side hands out none of 2^53 or more.
 */
export class AddressIndex<Value> {
  readonly #ranges: Range<Value>[] = []

  get size(): number {
    return this.#ranges.length
  }

  /**
   * Adds `[address, address + size)`.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when it overlaps a range that is here, or ends at 2^53 or above.
   */
  add(address: VirtualAddress, size: number, value: Value): void {
    const start = Number(address)
    const end = start + size
    const at = this.#firstFrom(start)
    const below = this.#ranges[at]
    const above = this.#ranges[at - 1]
    const free = (below === undefined || below.end <= start) && (above === undefined || end <= above.start)
    if (!free || size <= 0 || !Number.isSafeInteger(end)) {
      throw new PinfoldError(`the range of ${size} bytes at ${formatAddress(address)} cannot be added to the index`, {
        code: 'ERR_OUT_OF_RANGE',
        values: { address, size },
      })
    }
    this.#ranges.splice(at, 0, { start, end, value })
  }

  /** Removes the range that starts at `address`; false when none does. */
  delete(address: VirtualAddress): boolean {
    const start = Number(address)
    const at = this.#firstFrom(start)
    if (this.#ranges[at]?.start !== start) return false
    this.#ranges.splice(at, 1)
    return true
  }

  /**
   * The value whose range holds `address`, in O(log n); undefined when none does.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` when it is no bigint, `ERR_OUT_OF_RANGE` when it is no 64-bit address.
   */
  find(address: VirtualAddress): Value | undefined {
    checkAddress(address)
    // A number above 2^53 may be rounded, but it stays above 2^53, where no range is.
    const wanted = Number(address)
    const range = this.#ranges[this.#firstFrom(wanted)]
    return range !== undefined && wanted < range.end ? range.value : undefined
  }

  /** Index of the highest range that starts at `address` or below. */
  #firstFrom(address: number): number {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const range = this.#ranges[middle]
      if (range !== undefined && range.start > address) low = middle + 1
      else high = middle
    }
    return low
  }
}

function checkAddress(address: unknown): void {
  if (typeof address !== 'bigint') {
    throw new PinfoldError(`expected an address as a bigint, but received ${describe(address)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { address },
    })
  }
  if (address < 0n || address >= addressLimit) {
    throw new PinfoldError(`${describe(address)} is no virtual address: they are 0 to 0xffffffffffffffff`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { address },
    })
  }
}
