import { readFileSync } from 'node:fs'
import { basePageSize, hugetlbPageSizes, transparentPageSize } from '../../system/page-sizes.js'
import { type ProcessMapping, parseMappings } from '../../system/process-mappings.js'
import { OpenPagemap, procName } from '../memory-map/open-pagemap.js'

/** A place where a process maps the page frame that is searched for. */
export interface FrameMapping {
  readonly pid: number
  /** The process's name: the first 15 bytes (proc_pid_comm(5)). */
  readonly command: string
  /** Virtual address of the byte in that process. */
  readonly address: bigint
  /** The mapping of the process that contains it. */
  readonly mapping: ProcessMapping
}

/** A search pauses after each part, so that other work of the thread has its turn. */
const partBytes = 2 ** 30
const pagesAtATime = 2 ** 14

/** The end of the addresses that native code can read. */
const endOfAddresses = 2 ** 53

/**
 * Searches one process for a page frame. It yields after each piece of work of about a millisecond.
 *
 * @param onlyHuge whether huge entries alone can map the frame, as that of a hugetlb page
 * @throws PinfoldError `ERR_PROCESS_UNKNOWN`, also for a kernel thread; `ERR_PERMISSION`; `ERR_SYSTEM`
 */
export function* searchProcess(
  pid: number,
  physicalAddress: number,
  onlyHuge: boolean,
): Generator<undefined, FrameMapping[]> {
  using pagemap = new OpenPagemap(pid)
  const command = readOf(pid, 'comm').trim()
  const found: FrameMapping[] = []
  const search = new FrameSearch(pagemap, physicalAddress, onlyHuge)
  for (const mapping of parseMappings(readOf(pid, 'maps'))) {
    if (mapping.end > BigInt(endOfAddresses)) continue
    const end = Number(mapping.end)
    for (let start = Number(mapping.start); start < end; start += partBytes) {
      for (const address of search.part(start, Math.min(end, start + partBytes))) {
        if (address === undefined) yield
        else found.push({ pid, command, address: BigInt(address), mapping })
      }
    }
  }
  return found
}

class FrameSearch {
  readonly #pagemap: OpenPagemap
  readonly #frame: number
  /** Physical address of the first byte of the frame, and the distance of the byte from it. */
  readonly #start: number
  readonly #within: number
  readonly #onlyHuge: boolean
  /** Bytes of the smallest page that a huge entry maps, or that is a hugetlb page. */
  readonly #hugeStep = Math.min(...hugetlbPageSizes(), transparentPageSize() ?? Number.POSITIVE_INFINITY)

  constructor(pagemap: OpenPagemap, physicalAddress: number, onlyHuge: boolean) {
    this.#pagemap = pagemap
    this.#within = physicalAddress % basePageSize
    this.#start = physicalAddress - this.#within
    this.#frame = this.#start / basePageSize
    this.#onlyHuge = onlyHuge
  }

  /** Virtual addresses of the byte in `[start, end)`; undefined where the caller may pause. */
  *part(start: number, end: number): Generator<number | undefined, void> {
    const stretches = this.#pagemap.stretches(start, end)
    // Before Linux 6.7 it is not known where there are pages, and all entries are read.
    for (const stretch of stretches ?? [{ start, end, isSwapped: false, isHuge: false }]) {
      if (stretch.isSwapped || (this.#onlyHuge && stretches !== undefined && !stretch.isHuge)) continue
      if (stretch.isHuge) yield* this.#huge(stretch.start, stretch.end)
      else yield* this.#base(stretch.start, stretch.end)
    }
    yield
  }

  /** In a large page, only one base page can be the right one: that at the same distance from a boundary. */
  *#huge(start: number, end: number): Generator<number | undefined, void> {
    const step = this.#hugeStep
    const first = start - (start % step) + (this.#start % step)
    for (let address = first < start ? first + step : first; address < end; address += step) {
      if (this.#pagemap.pagesOn(this.#frame, address, 1).length > 0) yield address + this.#within
      if (Math.floor(address / step) % 1024 === 0) yield
    }
  }

  *#base(start: number, end: number): Generator<number | undefined, void> {
    for (let first = start; first < end; first += pagesAtATime * basePageSize) {
      const pages = Math.min(pagesAtATime, (end - first) / basePageSize)
      for (const page of this.#pagemap.pagesOn(this.#frame, first, pages)) {
        yield first + page * basePageSize + this.#within
      }
      yield
    }
  }
}

/** A text of /proc/PID, or '' of a process that has ended. */
function readOf(pid: number, file: 'comm' | 'maps'): string {
  try {
    return readFileSync(`/proc/${procName(pid)}/${file}`, 'utf8')
  } catch {
    // The pagemap is open, so the process may be read. So this one has ended since.
    return ''
  }
}
