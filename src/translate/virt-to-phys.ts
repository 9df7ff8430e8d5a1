import { formatAddress, type PhysicalAddress, type VirtualAddress } from '../addresses.js'
import { isSystemFailure, PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { isRecord, unreadable } from '../options.js'
import { describe } from '../sizes.js'
import { basePageSize } from '../system/page-sizes.js'
import { frameOf, PagemapFlags, type PageState, type SwapPlace, stateOf, swapPlaceOf } from './pagemap.js'
import { readRefusal } from './read-refusal.js'
import { unknownPage } from './unknown-page.js'

/** Options of `virtToPhys` and `inspectPage`. */
export interface ProcessOptions {
  /** The process to which the address belongs. Default: this process. */
  readonly pid?: number | undefined
}

/** The physical address of a byte, and the pagemap flags of its page. */
export class PhysicalPage extends PagemapFlags {
  /** Physical address of the byte itself, not of its page. In a virtual machine it is guest-physical. */
  readonly physicalAddress: PhysicalAddress

  constructor(physicalAddress: PhysicalAddress, high: number) {
    super(high)
    this.physicalAddress = physicalAddress
  }
}

/** The pagemap entry of a page in any state. */
export class InspectedPage extends PagemapFlags {
  /** The requested virtual address. */
  readonly address: VirtualAddress
  readonly state: PageState
  /** Physical address of the byte itself; undefined unless the page is `present`. */
  readonly physicalAddress: PhysicalAddress | undefined
  /** The place of a swapped page; undefined for any other page, and if the kernel hides it. */
  readonly swap: SwapPlace | undefined

  constructor(address: VirtualAddress, low: number, high: number) {
    super(high)
    this.address = address
    this.state = stateOf(low, high)
    this.physicalAddress = this.state === 'present' ? physicalOf(low, high, Number(address)) : undefined
    this.swap = swapPlaceOf(low, high)
  }
}

// Native code writes its result here: the two halves of the entry, low half first, then those of its address. They are
// read before any other code runs.
const cell = new Uint32Array(native.pagemapCell ?? new ArrayBuffer(0))

/**
 * Physical address of the first byte of a view, or of any virtual address of this or another process. It is the
 * counterpart of DPDK's rte_mem_virt2phy, but an unknown address is an error, and never 0. It costs one read of
 * pagemap, 0.8 µs.
 *
 * The address is true at the moment of the read. Memory that is not pinned may move at any time. Memory of JavaScript
 * itself (any ArrayBuffer that is not a region's) may also be given back to the kernel.
 *
 * @throws PinfoldError `ERR_PAGE_ABSENT`, `ERR_PAGE_SWAPPED` or `ERR_PFN_HIDDEN` that names address and pid;
 * `ERR_PROCESS_UNKNOWN`; `ERR_PERMISSION`; `ERR_OUT_OF_RANGE` for an address of 2^53 and more; `ERR_INVALID_ARGUMENT`,
 * also for a view that is empty or detached, and for a view of another process; `ERR_SYSTEM`
 */
export function virtToPhys(where: ArrayBufferView | VirtualAddress, options?: ProcessOptions): PhysicalPage {
  const pid = readEntry(where, options)
  const low = cell[0] ?? 0
  const high = cell[1] ?? 0
  if (stateOf(low, high) === 'present') return new PhysicalPage(physicalOf(low, high, cell[2] ?? 0), high)
  throw refusal(low, high, pid)
}

/**
 * As `virtToPhys`, but each state of the page is a result, not an error.
 *
 * @throws PinfoldError as `virtToPhys`, except for `ERR_PAGE_ABSENT`, `ERR_PAGE_SWAPPED` and `ERR_PFN_HIDDEN`
 */
export function inspectPage(where: ArrayBufferView | VirtualAddress, options?: ProcessOptions): InspectedPage {
  readEntry(where, options)
  return new InspectedPage(BigInt(addressRead()), cell[0] ?? 0, cell[1] ?? 0)
}

function physicalOf(low: number, high: number, address: number): PhysicalAddress {
  // The low 32 bits contain the offset in the page, and a mask is much cheaper than the remainder of a double.
  return frameOf(low, high) * basePageSize + ((address >>> 0) & (basePageSize - 1))
}

function addressRead(): number {
  return (cell[3] ?? 0) * 2 ** 32 + (cell[2] ?? 0)
}

// Fills the cell, and returns the pid of the address: 0 for this process. This path uses no schema, since zod would
// cost more than the read.
function readEntry(where: ArrayBufferView | VirtualAddress, options: ProcessOptions | undefined): number {
  const pid = options === undefined ? 0 : checkedPid(options)
  if (cell.length === 0) throw noCell()
  if (typeof where === 'bigint') {
    const address = checkedAddress(where)
    try {
      native.readPagemapEntry(pid, address)
    } catch (error) {
      throw readRefusal(error, pid, where)
    }
    return pid
  }
  if (!ArrayBuffer.isView(where)) throw invalid('an ArrayBufferView or a virtual address (a bigint)', where)
  if (pid !== 0) throw invalid(`a virtual address (a bigint) of process ${pid}`, where)
  try {
    native.readPagemapOf(where)
  } catch (error) {
    // Every failure of a system call has an errno. An error without an errno is the binding's refusal of the view.
    if (isSystemFailure(error)) throw readRefusal(error, 0, undefined)
    throw invalid('a view that has a first byte', where, 'an empty or detached view')
  }
  return 0
}

function checkedPid(options: ProcessOptions): number {
  const pid = pidOf(options)
  return pid === undefined || pid === process.pid ? 0 : checkedProcess(pid)
}

function pidOf(options: ProcessOptions): number | undefined {
  let isOptions: boolean
  let other: string | undefined
  try {
    isOptions = isRecord(options)
    if (isOptions) other = Object.keys(options).find((key) => key !== 'pid')
    if (isOptions && other === undefined) return options.pid
  } catch (error) {
    throw unreadable('virtToPhys', options, error)
  }
  throw isOptions ? invalid('no option but pid', other) : invalid('options as { pid }', options)
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` unless it is a pid: 1 to 2^31 - 1 */
export function checkedProcess(pid: number): number {
  if (Number.isInteger(pid) && pid > 0 && pid < 2 ** 31) return pid
  throw invalid('a pid from 1 to 2147483647', pid)
}

/**
 * A virtual address as native code takes it. Only x86-64 with five-level page tables can have user memory above 2^53,
 * and only in a program that asks mmap for such an address.
 *
 * @throws PinfoldError `ERR_OUT_OF_RANGE`
 */
export function checkedAddress(address: VirtualAddress): number {
  // A comparison of numbers is much cheaper than one of bigints. It is correct: the number is exact for every address
  // below 2^53, and not below 2^53 for any other.
  const number = Number(address)
  if (number >= 0 && number < 2 ** 53) return number
  throw new PinfoldError(`expected a virtual address from 0 to 2^53 - 1, received ${describe(address)}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { address },
  })
}

function invalid(expected: string, received: unknown, shown = describe(received)): PinfoldError {
  return new PinfoldError(`expected ${expected}, received ${shown}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received },
  })
}

function noCell(): PinfoldError {
  return new PinfoldError("this runtime has no external ArrayBuffers, or pinfold's was transferred away", {
    code: 'ERR_EXTERNAL_BUFFERS',
    hint: 'run it on Node.js',
  })
}

function refusal(low: number, high: number, pid: number): PinfoldError {
  const state = stateOf(low, high)
  const values = { address: BigInt(addressRead()), pid: pid === 0 ? process.pid : pid }
  const place = `address ${formatAddress(values.address)} of process ${values.pid}`
  return unknownPage(state === 'present' ? 'hidden' : state, place, values)
}
