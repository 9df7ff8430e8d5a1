import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { formatAddress, type PhysicalAddress, type VirtualAddress } from '../addresses.js'
import { PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { describe } from '../sizes.js'
import { parseStatField } from '../system/kernel-files.js'
import { basePageSize } from '../system/page-sizes.js'
import { PageFlags } from './page-flags.js'
import { type PageState, type PageStates, placeOfEntry, stateOf } from './pagemap.js'
import { readRefusal } from './read-refusal.js'
import { runsOf } from './runs.js'
import { checkedAddress, checkedProcess, InspectedPage } from './virt-to-phys.js'

/** A physically contiguous stretch of a process's memory. */
export interface ProcessRun {
  /** Virtual address of its first byte. */
  readonly address: VirtualAddress
  readonly physicalAddress: PhysicalAddress
  /** Bytes. */
  readonly length: number
}

/** The most base pages of one call: 16 GiB in pages of 4 KiB, whose entries take 32 MiB. */
const mostPages = 2 ** 22

const pagesAtATime = 2 ** 16

/** proc_pid_stat(5). */
const startTimeField = 22

const lowHalf = endianness() === 'LE' ? 0 : 1

/** A snapshot of the base pages of a range of a process. It uses 8 bytes a page. */
export class ProcessTranslation {
  readonly pid: number
  /** Start of the requested range. If the range does not start or end on a page boundary, its pages reach beyond it. */
  readonly address: VirtualAddress
  /** Bytes. */
  readonly length: number
  /** Bytes of a page: always those of a base page. */
  readonly pageSize: number = basePageSize
  readonly #words: Uint32Array
  #pageFlags: PageFlags | undefined

  /** Made by `translateProcess`. @param entries the entries of pagemap, from the page that contains `address` on */
  constructor(pid: number, address: VirtualAddress, length: number, entries: BigUint64Array<ArrayBuffer>) {
    this.pid = pid
    this.address = address
    this.length = length
    this.#words = new Uint32Array(entries.buffer)
  }

  /** The number of pages that the range touches. */
  get pageCount(): number {
    return this.#words.length / 2
  }

  /** The number of pages in each state. */
  get states(): PageStates {
    const states: Record<PageState, number> = { present: 0, swapped: 0, hidden: 0, absent: 0 }
    for (let page = 0; page < this.pageCount; page++) states[stateOf(this.#low(page), this.#high(page))]++
    return states
  }

  /** Each page in order, with the address of its first byte. */
  *pages(): Generator<InspectedPage, void> {
    for (let page = 0; page < this.pageCount; page++) {
      const address = this.#start + BigInt(page * this.pageSize)
      yield new InspectedPage(address, this.#low(page), this.#high(page))
    }
  }

  /** The runs of the range, cut to the range. Pages that are not present belong to no run. */
  runs(): ProcessRun[] {
    const places = this.#places()
    const before = Number(this.address - this.#start)
    const runs: ProcessRun[] = []
    for (let first = 0; first < places.length; first++) {
      if (!isKnown(places, first)) continue
      let end = first + 1
      while (isKnown(places, end)) end++
      const offset = Math.max(first * this.pageSize, before)
      const last = Math.min(end * this.pageSize, before + this.length)
      for (const run of runsOf(places, this.pageSize, { offset, length: last - offset })) {
        const { physicalAddress, length } = run
        runs.push({ address: this.#start + BigInt(run.offset), physicalAddress, length })
      }
      first = end
    }
    return runs
  }

  /**
   * Flags and map counts of each page's frame, read at the first call. Offsets count from the start of the first page.
   *
   * @throws PinfoldError `ERR_PFN_HIDDEN`, `ERR_PERMISSION`, `ERR_UNSUPPORTED`, `ERR_SYSTEM`
   */
  get pageFlags(): PageFlags {
    this.#pageFlags ??= new PageFlags(
      this.#places(),
      this.pageSize,
      this.pageCount * this.pageSize,
      `from address ${formatAddress(this.#start)} of process ${this.pid}`,
    )
    return this.#pageFlags
  }

  get #start(): VirtualAddress {
    return this.address - (this.address % BigInt(this.pageSize))
  }

  #places(): Float64Array {
    return Float64Array.from({ length: this.pageCount }, (_, page) => placeOfEntry(this.#low(page), this.#high(page)))
  }

  #low(page: number): number {
    return this.#words[page * 2 + lowHalf] ?? 0
  }

  #high(page: number): number {
    return this.#words[page * 2 + 1 - lowHalf] ?? 0
  }
}

/**
 * Reads the physical addresses of a range of a process, in pieces of 2^16 pages. Unless the process is stopped, the
 * first pages may have moved before the last ones are read.
 *
 * @param length bytes, at most 2^22 base pages. Default: 1
 * @throws PinfoldError `ERR_PROCESS_UNKNOWN`, also when the process ends meanwhile; `ERR_PERMISSION`;
 * `ERR_OUT_OF_RANGE`; `ERR_INVALID_ARGUMENT`; `ERR_SYSTEM`
 */
export function translateProcess(pid: number, address: VirtualAddress, length = 1): ProcessTranslation {
  checkedProcess(pid)
  const pages = pagesIn(address, length)
  const entries = new BigUint64Array(pages)
  const first = Number(address) - (Number(address) % basePageSize)
  const startTime = startTimeOf(pid)
  for (let page = 0; page < pages; page += pagesAtATime) {
    try {
      native.readPagemapRaw(pid, first + page * basePageSize, entries.subarray(page, page + pagesAtATime))
    } catch (error) {
      throw readRefusal(error, pid, address)
    }
  }
  // The entries of a process that has ended read as absent, and another process may have its pid by now.
  if (startTime === undefined || startTimeOf(pid) !== startTime) {
    throw new PinfoldError(`process ${pid} ended while its pages were read, or never existed`, {
      code: 'ERR_PROCESS_UNKNOWN',
      values: { pid },
    })
  }
  return new ProcessTranslation(pid, address, length, entries)
}

function pagesIn(address: VirtualAddress, length: number): number {
  if (typeof address !== 'bigint') {
    throw new PinfoldError(`translateProcess: expected a virtual address (a bigint), received ${describe(address)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { address },
    })
  }
  const within = checkedAddress(address) % basePageSize
  const pages = Number.isSafeInteger(length) ? Math.ceil((within + length) / basePageSize) : 0
  if (pages > 0 && length > 0 && pages <= mostPages) {
    checkedAddress(address + BigInt(length))
    return pages
  }
  throw new PinfoldError(
    `translateProcess: expected a length of 1 to ${mostPages * basePageSize - within} bytes, received ${describe(length)}`,
    { code: 'ERR_OUT_OF_RANGE', values: { length, mostPages } },
  )
}

/** Undefined when there is no such process. */
function startTimeOf(pid: number): number | undefined {
  try {
    return parseStatField(readFileSync(`/proc/${pid}/stat`, 'latin1'), startTimeField)
  } catch {
    // Whatever the reason is: without its start time, the process cannot be told from another one with its pid.
    return undefined
  }
}

function isKnown(places: Float64Array, page: number): boolean {
  return (places[page] ?? -1) >= 0
}
