import { formatAddress, type PhysicalAddress, type VirtualAddress } from '../addresses.js'
import { isSystemFailure, PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { isRecord, unreadable } from '../options.js'
import { describe } from '../sizes.js'
import { basePageSize } from '../system/page-sizes.js'
import { frameOf, PagemapFlags, type PageState, type SwapPlace, stateOf, swapPlaceOf } from './pagemap.js'
import { readRefusal } from './read-refusal.js'
import { unknownPage } from './unknown-page.js'

/** What `virtToPhys` and `inspectPage` look up in another process. */
export interface ProcessOptions {
  /** Whose address it is. Default: this process. */
  readonly pid?: number | undefined
}

/** Where one byte is physically. */
export class PhysicalPage extends PagemapFlags {
  /** Of that very byte, not of its page. Guest-physical in a virtual machine. */
  readonly physicalAddress: PhysicalAddress

  constructor(physicalAddress: PhysicalAddress, high: number) {
    super(high)
    this.physicalAddress = physicalAddress
  }
}

/** What pagemap says of one page, whatever that is. */
export class InspectedPage extends PagemapFlags {
  /** The virtual address that was asked for. */
  readonly address: VirtualAddress
  readonly state: PageState
  /** Of that very byte; undefined unless `present`. */
  readonly physicalAddress: PhysicalAddress | undefined
  /** Where a swapped page is; undefined where the kernel does not tell. */
  readonly swap: SwapPlace | undefined

  constructor(address: VirtualAddress, low: number, high: number) {
    super(high)
    this.address = address
    this.state = stateOf(low, high)
    this.physicalAddress = this.state === 'present' ? physicalOf(low, high, Number(address)) : undefined
    this.swap = swapPlaceOf(low, high)
  }
}

// What native code has read: the halves of the entry, low first, and of its address. It is read before anything else
// runs.
const cell = new Uint32Array(native.pagemapCell ?? new ArrayBuffer(0))

/**
 * Physical address of the first byte of a view, or of any virtual address of this or another process: the counterpart
 * of DPDK's rte_mem_virt2phy, but what is not known is an error here, and never 0. One read of pagemap, 0.8 µs.
 *
 * It is true at the moment of the read. Memory that is not pinned may move at any time, and JavaScript's own (any
 * ArrayBuffer that is not a region's) may be given back to the kernel.
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
 * As `virtToPhys`, but tells the state of the page, whatever it is.
 *
 * @throws PinfoldError as `virtToPhys`, but for the states
 */
export function inspectPage(where: ArrayBufferView | VirtualAddress, options?: ProcessOptions): InspectedPage {
  readEntry(where, options)
  return new InspectedPage(BigInt(addressRead()), cell[0] ?? 0, cell[1] ?? 0)
}

function physicalOf(low: number, high: number, address: number): PhysicalAddress {
  // The low 32 bits suffice for what is within a page, and a mask is much cheaper than the remainder of a double.
  return frameOf(low, high) * basePageSize + ((address >>> 0) & (basePageSize - 1))
}

function addressRead(): number {
  return (cell[3] ?? 0) * 2 ** 32 + (cell[2] ?? 0)
}

// Fills the cell, and returns whose address it is: 0 for this process. No schema on this path: zod would cost more than
// the read.
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
    // Every failure of a system call has an errno; what has none is the binding's refusal of the view.
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
 * A virtual address as native code takes it. Above 2^53 there is no user memory on any architecture but x86-64 with
 * five-level page tables, and there only for who asks mmap for such an address.
 *
 * @throws PinfoldError `ERR_OUT_OF_RANGE`
 */
export function checkedAddress(address: VirtualAddress): number {
  // Compared as a number, which is exact below 2^53 and not below where the bigint is not: much cheaper than bigints.
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
  return new PinfoldError('this runtime has no external ArrayBuffers, or somebody has transferred ours away', {
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
