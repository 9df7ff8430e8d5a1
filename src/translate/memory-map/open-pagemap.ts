import { closeSync, openSync, readSync } from 'node:fs'
import { constants, endianness } from 'node:os'
import { isSystemFailure } from '../../errors.js'
import { native, pageCategory } from '../../native.js'
import { basePageSize } from '../../system/page-sizes.js'
import { placeOfEntry } from '../pagemap.js'
import { readRefusal } from '../read-refusal.js'

/** Pages in a row that are in memory, or swapped out. */
export interface PageStretch {
  readonly start: number
  /** The first address after the pages. */
  readonly end: number
  readonly isSwapped: boolean
  /** Huge entries of the page tables map the pages. */
  readonly isHuge: boolean
}

const stretchesAtATime = 1024
const entryBytes = 8
const lowHalf = endianness() === 'LE' ? 0 : 1

/**
 * An open /proc/PID/pagemap. It belongs to the process that had the pid when it was opened: after the end of that
 * process reads fail, and never show another process.
 */
export class OpenPagemap {
  readonly #pid: number
  readonly #file: number
  #buffer = new ArrayBuffer(0)

  /** @throws PinfoldError `ERR_PROCESS_UNKNOWN`, `ERR_PERMISSION`, `ERR_SYSTEM` */
  constructor(pid: number) {
    this.#pid = pid
    try {
      this.#file = openSync(`/proc/${procName(pid)}/pagemap`, 'r')
    } catch (error) {
      throw readRefusal(error, pid, undefined, `map ${pid}`)
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
  }

  /**
   * The present and swapped pages in `[start, end)`, in order. Costs nothing for absent pages. Undefined on a kernel
   * without PAGEMAP_SCAN (before Linux 6.7).
   *
   * @throws PinfoldError `ERR_SYSTEM`
   */
  stretches(start: number, end: number): PageStretch[] | undefined {
    const numbers = new Float64Array(stretchesAtATime * 3)
    const stretches: PageStretch[] = []
    for (let at = start; at < end; ) {
      const scan = this.#scan(at, end, numbers)
      if (scan === undefined) return undefined
      const [found, next] = scan
      for (let index = 0; index < found; index++) {
        const [from = 0, to = 0, categories = 0] = numbers.subarray(index * 3, index * 3 + 3)
        const has = (category: number) => (categories & category) !== 0
        stretches.push({
          start: from,
          end: to,
          isSwapped: !has(pageCategory.present),
          isHuge: has(pageCategory.huge),
        })
      }
      at = next > at ? next : end
    }
    return stretches
  }

  #scan(start: number, end: number, numbers: Float64Array): [number, number] | undefined {
    try {
      return native.scanPages(this.#file, start, end, numbers)
    } catch (error) {
      const errno = isSystemFailure(error) ? Math.abs(error.errno) : 0
      if (errno === constants.errno.ENOTTY) return undefined
      throw readRefusal(error, this.#pid, BigInt(start))
    }
  }

  /**
   * Physical addresses of the base pages from `address` on, or their `pageState`.
   *
   * @throws PinfoldError `ERR_PROCESS_UNKNOWN` if the process has ended, `ERR_SYSTEM`
   */
  places(address: number, pages: number): Float64Array {
    const words = this.#words(address, pages)
    const places = new Float64Array(pages)
    for (let page = 0; page < pages; page++) {
      places[page] = placeOfEntry(words[page * 2 + lowHalf] ?? 0, words[page * 2 + 1 - lowHalf] ?? 0)
    }
    return places
  }

  /**
   * The numbers of those base pages from `address` on that are on the page frame, counted from 0.
   *
   * @throws PinfoldError as `places`
   */
  pagesOn(frame: number, address: number, pages: number): number[] {
    const words = this.#words(address, pages)
    const found: number[] = []
    // Almost every page is on another frame, and differs in the low half of its entry.
    for (let at = words.indexOf(frame >>> 0); at !== -1; at = words.indexOf(frame >>> 0, at + 1)) {
      if (at % 2 !== lowHalf) continue
      const page = (at - lowHalf) / 2
      const place = placeOfEntry(words[at] ?? 0, words[page * 2 + 1 - lowHalf] ?? 0)
      if (place === frame * basePageSize) found.push(page)
    }
    return found
  }

  /** The entries of pages, two halves each. The array is valid until the next call. */
  #words(address: number, pages: number): Uint32Array {
    const size = pages * entryBytes
    if (this.#buffer.byteLength < size) this.#buffer = new ArrayBuffer(size)
    for (let read = 0; read < size; ) {
      const position = (address / basePageSize) * entryBytes + read
      const got = this.#read(new Uint8Array(this.#buffer, read, size - read), position, address)
      if (got === 0) throw readRefusal(ended, this.#pid, BigInt(address))
      read += got
    }
    return new Uint32Array(this.#buffer, 0, pages * 2)
  }

  #read(bytes: Uint8Array, position: number, address: number): number {
    try {
      return readSync(this.#file, bytes, 0, bytes.length, position)
    } catch (error) {
      throw readRefusal(error, this.#pid, BigInt(address))
    }
  }
}

/** The folder of a process in /proc. /proc may be that of another PID namespace, so this process is 'self'. */
export function procName(pid: number): number | 'self' {
  return pid === process.pid ? 'self' : pid
}

/** A read of nothing inside the address space: the kernel's sign that the process has no memory any more. */
const ended = Object.assign(new Error('ESRCH: the process has ended'), {
  syscall: 'read',
  errno: constants.errno.ESRCH,
})
