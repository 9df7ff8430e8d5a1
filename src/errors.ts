/**
 * Every reason why pinfold refuses or fails. Codes are stable: programs may switch on them.
 *
 * The words after `ERR_` are Node's own where Node has the case (`ERR_OUT_OF_RANGE`), else the kernel's or DPDK's.
 */
export type ErrorCode =
  // The caller's words
  | 'ERR_INVALID_ARGUMENT' // an option or argument of the wrong type or shape
  | 'ERR_OUT_OF_RANGE' // an offset, length or address outside what it indexes
  // State
  | 'ERR_REGION_CLOSED'
  | 'ERR_REGION_HELD' // close() of a region that a hold, a registration, a ring, a buffer pool, packets or a heap keeps open
  | 'ERR_RANGE_IN_USE' // a ring, buffer pool, packets or heap of this thread works on that memory
  | 'ERR_REGION_EXISTS' // the name is taken in this registry
  | 'ERR_REGION_UNKNOWN' // a handle of another process, or of a region that is gone
  | 'ERR_REGION_TOO_LARGE' // one view or `bytes` of more than an ArrayBuffer holds
  | 'ERR_REGISTRY_CLOSED'
  // Shortage
  | 'ERR_HUGEPAGES_SHORT' // the pool has too few free pages (on the wanted nodes)
  | 'ERR_CGROUP_LIMIT' // the cgroup's hugetlb or memory limit stands in the way
  | 'ERR_MEMLOCK_LIMIT' // RLIMIT_MEMLOCK
  | 'ERR_MEMORY_SHORT' // the machine has too little memory, or the process too little address space
  | 'ERR_BUDGET_EXCEEDED' // the registry's own budget
  | 'ERR_NODE_MISMATCH' // pages came from another NUMA node than a strict placement asked for
  | 'ERR_POOL_CHANGE_REFUSED' // the kernel gave fewer hugepages to a pool than were asked for
  | 'ERR_POOL_CHANGE_BUSY' // another process has been changing hugepage pools for too long, or is stopped meanwhile
  // What this machine or process cannot do
  | 'ERR_UNSUPPORTED'
  | 'ERR_PERMISSION'
  | 'ERR_EXTERNAL_BUFFERS' // a runtime that refuses external ArrayBuffers (V8 sandbox, Electron)
  | 'ERR_ADDON_LOAD'
  // Translation
  | 'ERR_PAGE_ABSENT'
  | 'ERR_PAGE_SWAPPED'
  | 'ERR_PFN_HIDDEN' // the kernel hides page frame numbers without CAP_SYS_ADMIN
  | 'ERR_PROCESS_UNKNOWN' // no process of that pid
  | 'ERR_LAYOUT_IMPOSSIBLE' // a device page table that cannot describe these runs
  // RDMA
  | 'ERR_VERBS_LIBRARY' // libibverbs is not there, or cannot be loaded
  | 'ERR_VERBS_SYMBOL' // libibverbs is too old for what was asked: it lacks a function
  | 'ERR_DEVICE_UNKNOWN' // no RDMA device of that name
  | 'ERR_DEVICE_PERMISSION' // /dev/infiniband is not this user's to open
  | 'ERR_DEVICE_REFUSED' // the device or its driver refused a verb; `syscall` and `errno` tell which and how
  | 'ERR_DEVICE_REMOVED' // the device is gone, or its driver has given up
  | 'ERR_OBJECT_CLOSED' // a verbs object (device, domain, queue pair, …) that was closed
  | 'ERR_OBJECT_BUSY' // close() of one on which others stand; the message names them
  | 'ERR_DOMAIN_MISMATCH' // objects of different devices or domains cannot work together
  | 'ERR_QUEUE_FULL' // a send, receive or completion queue has no room
  | 'ERR_QUEUE_OVERRUN' // more completed than a completion queue has room for; it is dead
  | 'ERR_QUEUE_PAIR_STATE' // not in this state of the queue pair
  // Rings
  | 'ERR_RING_LAYOUT' // there is no ring in this memory, or one of another version
  | 'ERR_RING_CLAIMED' // its one producer or consumer is another thread, or too many threads take part
  | 'ERR_RING_BUSY' // another thread has had this side of the ring for too long, and lives
  | 'ERR_RING_RESERVATION' // a reservation is open, or none is
  | 'ERR_RING_CLOSED'
  // Heaps
  | 'ERR_HEAP_CLOSED'
  | 'ERR_HEAP_IN_USE' // close() while there are live blocks
  | 'ERR_HEAP_FULL' // no free block is large enough
  | 'ERR_HEAP_DAMAGED' // check() found that a heap contradicts itself
  | 'ERR_BLOCK_FREE' // no live block starts there, since that memory is free: freed twice, or never allocated
  | 'ERR_BLOCK_UNKNOWN' // no live block starts there: it is inside of one
  | 'ERR_BLOCK_OVERRUN' // a heap with red zones: something has written past the end of a block
  // Pools
  | 'ERR_POOL_LAYOUT' // there is no pool in this memory, or one of another version, or its bookkeeping was written over
  | 'ERR_POOL_OPEN' // this thread has a pool, packets or a heap open in this memory
  | 'ERR_POOL_BUSY' // another thread has had the pool's depot for too long, and lives
  | 'ERR_POOL_CLOSED'
  | 'ERR_POOL_INDEX' // no number of an element
  | 'ERR_ELEMENT_FREE' // an element is put back, or looked at, that nobody has taken
  | 'ERR_ELEMENT_WRITTEN' // an element was written to after it was put back
  // Packets
  | 'ERR_PACKETS_LAYOUT' // there are no packets in this memory, or ones of another version
  | 'ERR_PACKETS_EXHAUSTED' // no packet, or no slot of an external buffer, is free
  | 'ERR_PACKET_FREE' // a packet that nobody has: freed twice, or never allocated
  | 'ERR_PACKET_SEGMENT' // a later segment, where a packet is asked for
  | 'ERR_PACKET_SHARED' // a call needs a packet with one holder and a buffer of its own, and this packet is shared
  | 'ERR_PACKET_HEADROOM'
  | 'ERR_PACKET_TAILROOM'
  | 'ERR_PACKET_DAMAGED' // a packet's record contains impossible values
  // The lab
  | 'ERR_LAB_UNAVAILABLE' // what a virtual machine needs is not here, and could not be fetched
  | 'ERR_LAB_FAILED' // a virtual machine did not start, or stopped before its command had ended
  // Everything else that the kernel refused
  | 'ERR_SYSTEM'

/** What an error carries beside its message. */
export interface ErrorDetails {
  readonly code: ErrorCode
  /** The system call that failed, as in its man page. */
  readonly syscall?: string | undefined
  /** Its errno, positive, as in errno(3). */
  readonly errno?: number | undefined
  /** The values involved, by name. */
  readonly values?: Readonly<Record<string, unknown>> | undefined
  /** The exact command that mends it, where there is one. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/** The one class of error that pinfold throws: what failed, with which values, and what to do. */
export class PinfoldError extends Error {
  override readonly name = 'PinfoldError'
  readonly code: ErrorCode
  readonly values: Readonly<Record<string, unknown>>
  // Declared, not defined: own properties only where there is something to tell, so that an inspected error shows no
  // empty lines.
  declare readonly syscall?: string
  declare readonly errno?: number
  declare readonly hint?: string

  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = details.code
    this.values = printable(details.values ?? {})
    if (details.syscall !== undefined) this.syscall = details.syscall
    if (details.errno !== undefined) this.errno = details.errno
    if (details.hint !== undefined) this.hint = details.hint
  }
}

/** A number of more bits than this is no address, length or key; written in decimal it may take seconds. */
const mostBits = 256n
const tooLarge = 2n ** mostBits

/** A bigint in decimal, where that is short. */
export function bigintText(value: bigint): string {
  if (value >= tooLarge) return `a number above 2^${mostBits}`
  return value <= -tooLarge ? `a number below -2^${mostBits}` : `${value}`
}

/** A text, cut to `most` characters. */
export function cut(text: string, most = 60): string {
  return text.length > most ? `${text.slice(0, most - 3)}...` : text
}

/** The values of an error, without those that Node takes seconds to print, or prints in full however long they are. */
function printable(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (!Object.values(values).some(isLong)) return values
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, isLong(value) ? shortened(value) : value]),
  )
}

function isLong(value: unknown): value is bigint | symbol {
  if (typeof value === 'bigint') return value >= tooLarge || value <= -tooLarge
  return typeof value === 'symbol' && (value.description ?? '').length > 60
}

function shortened(value: bigint | symbol): string {
  return typeof value === 'bigint' ? bigintText(value) : `Symbol(${cut(value.description ?? '')})`
}

/** An error as native code throws it (native/addon/boundary.h): a system call, its errno, and the values involved. */
export interface SystemFailure extends Error {
  readonly syscall: string
  readonly errno: number
  readonly values?: Readonly<Record<string, number>>
  /** What it was about, where the errno alone does not tell: a path, a name, the words of another library. */
  readonly subject?: string
}

/** Whether `error` came out of native code as a failed system call. */
export function isSystemFailure(error: unknown): error is SystemFailure {
  return error instanceof Error && 'syscall' in error && typeof error.syscall === 'string' && 'errno' in error
}

/** Wraps what native code or `node:fs` threw in the one class; a PinfoldError passes unchanged. */
export function toPinfoldError(error: unknown, code: ErrorCode = 'ERR_SYSTEM', hint?: string): PinfoldError {
  if (error instanceof PinfoldError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (!isSystemFailure(error)) return new PinfoldError(message, { code, hint, cause: error })
  const { syscall, values } = error
  return new PinfoldError(message, { code, syscall, errno: Math.abs(error.errno), values, hint, cause: error })
}
