import { formatAddress } from '../../addresses.js'
import { PinfoldError } from '../../errors.js'
import { formatSize } from '../../sizes.js'
import type { Run } from '../runs.js'

/** The largest alignment that is computed: 2^52, beyond any physical address. */
const widest = 2 ** 52

/** The largest power of two (at most 2^52) that divides every value added so far; values are safe integers. */
export class CommonAlignment {
  // 32-bit halves, since JavaScript's bit operators use 32 bits, and a modulo per value costs ten times as much.
  private low = 0
  private high = 0

  add(value: number): void {
    this.low |= value
    this.high |= Math.floor(value / 2 ** 32)
  }

  get bytes(): number {
    if (this.low !== 0) return 2 ** (31 - Math.clz32(this.low & -this.low))
    if (this.high !== 0) return Math.min(widest, 2 ** (63 - Math.clz32(this.high & -this.high)))
    return widest
  }
}

/** Bytes that merged runs describe. */
export function lengthOf(runs: readonly Run[]): number {
  const first = runs.at(0)
  const last = runs.at(-1)
  return first === undefined || last === undefined ? 0 : last.offset + last.length - first.offset
}

/** Physical address of the first byte of merged runs. */
export function startOf(runs: readonly Run[]): number {
  return runs.at(0)?.physicalAddress ?? 0
}

/**
 * The largest page size at which pages of device address space can map merged runs, if the first byte has the device
 * address `start`. The address bits inside a page must be the same on both sides, and a physical discontinuity can only
 * lie between two pages. The parts of pages before the first byte and after the last byte are ignored.
 *
 * @param start device address of the first byte; its low 52 bits suffice
 */
export function pageAlignment(runs: readonly Run[], start: number): CommonAlignment {
  const alignment = new CommonAlignment()
  const base = runs.at(0)?.offset ?? 0
  for (const { offset, physicalAddress } of runs) {
    const address = start + (offset - base)
    alignment.add(physicalAddress - address)
    if (offset !== base) alignment.add(address)
  }
  return alignment
}

/** The error that names the first run that does not fit pages of `pageSize`, and the largest size that would fit. */
export function impossible(
  layout: string,
  runs: readonly Run[],
  start: number,
  pageSize: number,
  bestPageSize: number,
): PinfoldError {
  const base = runs.at(0)?.offset ?? 0
  // If every start is right, the end of the last run is not on a page boundary.
  const found = runs.findIndex(({ offset, physicalAddress }) => {
    const address = start + (offset - base)
    return (physicalAddress - address) % pageSize !== 0 || (offset !== base && address % pageSize !== 0)
  })
  const run = found === -1 ? runs.length - 1 : found
  const { offset, physicalAddress, length } = runs[run] ?? { offset: 0, physicalAddress: 0, length: 0 }
  return new PinfoldError(
    `a ${layout} cannot describe run ${run} (offset ${formatAddress(offset)}, address ` +
      `${formatAddress(physicalAddress)}, ${formatSize(length)}) in pages of ${formatSize(pageSize)}; ` +
      `the largest page size that fits all runs is ${formatSize(bestPageSize)}`,
    {
      code: 'ERR_LAYOUT_IMPOSSIBLE',
      values: { run, offset, physicalAddress, length, pageSize, bestPageSize },
    },
  )
}

/**
 * The addresses of the pages that merged runs touch, in order, each rounded down to its page. The caller has checked
 * that discontinuities lie on page boundaries, and that the runs touch `entries` pages.
 */
export function pagesOf(runs: readonly Run[], pageSize: number, entries: number): Float64Array {
  const addresses = new Float64Array(entries)
  let entry = 0
  for (const { physicalAddress, length } of runs) {
    const end = physicalAddress + length
    for (let page = physicalAddress - (physicalAddress % pageSize); page < end; page += pageSize) {
      addresses[entry++] = page
    }
  }
  return addresses
}
