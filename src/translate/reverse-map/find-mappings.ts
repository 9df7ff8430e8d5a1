import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import * as z from 'zod/mini'
import { formatAddress, type PhysicalAddress } from '../../addresses.js'
import { PinfoldError, toPinfoldError } from '../../errors.js'
import { checked, later, optionsObject, signalOption } from '../../options.js'
import { describe } from '../../sizes.js'
import { basePageSize } from '../../system/page-sizes.js'
import { flagsOf, hasFlag, type PageFlag } from '../kernel-page-flags.js'
import { pageWordsRefusal } from '../page-flags.js'
import { Turns } from '../turns.js'
import { unknownPage } from '../unknown-page.js'
import { inspectPage } from '../virt-to-phys.js'
import { type FrameMapping, searchProcess } from './frame-search.js'

export type { FrameMapping } from './frame-search.js'

/** How far a search has come. */
export interface ScanProgress {
  /** The process that is searched next. */
  readonly pid: number
  /** The number of processes that were searched. */
  readonly done: number
  /** The number of processes in all. */
  readonly total: number
}

export interface FindMappingsOptions {
  /** Ends the search. */
  readonly signal?: AbortSignal | undefined
  /** Called before each process. */
  readonly onProgress?: ((progress: ScanProgress) => void) | undefined
}

/** Who maps a page frame. */
export interface FrameMappings {
  /** The physical address that was asked for. */
  readonly physicalAddress: PhysicalAddress
  /** Flags of its page frame, from /proc/kpageflags. */
  readonly flags: readonly PageFlag[]
  /**
   * How often the kernel counts the frame as mapped (/proc/kpagecount), read after the search. A hugetlb page counts as
   * one: each of its base pages has the count of the whole page. `mappings` may be fewer (processes of other
   * namespaces, or that may not be read) or more: processes share page tables of large hugetlb mappings, and the kernel
   * does not count the zero page.
   */
  readonly mapCount: number
  /** In the order of pid and address. */
  readonly mappings: readonly FrameMapping[]
  /** The number of processes that were searched. Kernel threads do not count. */
  readonly processes: number
  /** The processes that this process may not read. */
  readonly unreadable: readonly number[]
}

const options = later(() =>
  optionsObject({
    signal: z.optional(signalOption),
    onProgress: z.optional(
      z.custom<(progress: ScanProgress) => void>((value) => typeof value === 'function', {
        error: 'expected a function',
      }),
    ),
  }),
)

/**
 * Finds the processes that map a page frame (the reverse map), by a search of /proc/PID/pagemap of all processes that
 * this PID namespace shows. It takes about 10 ms for each GiB of memory that processes use, in slices of 5 ms; other work of
 * the thread runs in between.
 *
 * A mapping that is made or moved during the search may be missed. Threads of a process count once. Processes that share
 * all their memory (vfork) count each, but for the kernel once.
 *
 * @throws PinfoldError `ERR_OUT_OF_RANGE` if the machine has no memory at that address; `ERR_INVALID_ARGUMENT`;
 * `ERR_PFN_HIDDEN`, `ERR_PERMISSION` without root and CAP_SYS_ADMIN; `ERR_UNSUPPORTED` on a kernel without
 * /proc/kpageflags; `ERR_SYSTEM`. The signal's reason when it is aborted
 */
export async function findMappings(
  physicalAddress: PhysicalAddress,
  given: FindMappingsOptions = {},
): Promise<FrameMappings> {
  const { signal, onProgress } = checked('findMappings', options, given)
  const turns = new Turns(signal)
  const frame = checkedFrame(physicalAddress)
  const flags = readWord('/proc/kpageflags', frame)
  if (flags === undefined || hasFlag('noPage', ...flags)) throw noMemory(physicalAddress)
  requireFrameNumbers(physicalAddress)

  const mappings: FrameMapping[] = []
  const unreadable: number[] = []
  let processes = 0
  const pids = processIds()
  for (const [done, pid] of pids.entries()) {
    onProgress?.({ pid, done, total: pids.length })
    try {
      mappings.push(...(await turns.run(searchProcess(pid, physicalAddress, hasFlag('huge', ...flags)))))
      processes++
    } catch (error) {
      if (!isPassedOver(error)) throw error
      if (error.code === 'ERR_PERMISSION') unreadable.push(pid)
    }
  }
  const [low = 0, high = 0] = readWord('/proc/kpagecount', frame) ?? []
  return { physicalAddress, flags: flagsOf(...flags), mapCount: high * 2 ** 32 + low, mappings, processes, unreadable }
}

type Word = readonly [low: number, high: number]

const lowHalf = endianness() === 'LE' ? 0 : 1
const endOfPhysical = 2 ** 52

/** The number of the page frame at a caller's address. */
function checkedFrame(address: PhysicalAddress): number {
  if (typeof address !== 'number') {
    throw new PinfoldError(`findMappings: expected a physical address (a number), received ${describe(address)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { address },
    })
  }
  if (Number.isSafeInteger(address) && address >= 0 && address < endOfPhysical) {
    return Math.floor(address / basePageSize)
  }
  throw new PinfoldError(
    `findMappings: expected a physical address from 0 to 2^52 - 1, received ${describe(address)}`,
    {
      code: 'ERR_OUT_OF_RANGE',
      values: { address },
    },
  )
}

/** The word of a frame; undefined past the end of the memory. */
function readWord(path: '/proc/kpageflags' | '/proc/kpagecount', frame: number): Word | undefined {
  const halves = new Uint32Array(2)
  try {
    const file = openSync(path, 'r')
    try {
      if (readSync(file, halves, 0, 8, frame * 8) < 8) return undefined
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw pageWordsRefusal(error, path)
  }
  return [halves[lowHalf] ?? 0, halves[1 - lowHalf] ?? 0]
}

/** Without page frame numbers, the search would find nothing, and not say so. */
function requireFrameNumbers(physicalAddress: PhysicalAddress): void {
  const { state } = inspectPage(new Uint8Array(8))
  if (state !== 'hidden') return
  throw unknownPage('hidden', 'findMappings: every mapped page', { physicalAddress })
}

function noMemory(physicalAddress: PhysicalAddress): PinfoldError {
  return new PinfoldError(`findMappings: this machine has no memory at address ${formatAddress(physicalAddress)}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { physicalAddress },
  })
}

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((one, other) => one - other)
  } catch (error) {
    throw toPinfoldError(error)
  }
}

/** A process that has ended, or has no memory, maps nothing. One that may not be read is told to the caller. */
function isPassedOver(error: unknown): error is PinfoldError {
  return error instanceof PinfoldError && (error.code === 'ERR_PROCESS_UNKNOWN' || error.code === 'ERR_PERMISSION')
}
