/**
 * Every reason why pinfold refuses or fails. Codes are stable: programs may switch on them.
 *
 * The words after `ERR_` are Node's own if Node has the same case (`ERR_OUT_OF_RANGE`). Otherwise they are the kernel's
 * or DPDK's.
 */
export type ErrorCode =
  // Arguments
  | 'ERR_INVALID_ARGUMENT' // an option or argument of the wrong type or shape
  | 'ERR_OUT_OF_RANGE' // an offset, length or address outside what it indexes
  // State
  | 'ERR_REGION_CLOSED'
  | 'ERR_REGION_HELD' // close() of a region that a hold, registration, ring, buffer pool, packets or heap keeps open
  | 'ERR_RANGE_IN_USE' // a ring, buffer pool, packets or heap of this thread works on that memory
  | 'ERR_REGION_EXISTS' // the name is taken in this registry
  | 'ERR_REGION_UNKNOWN' // a handle of another process, or of a region that is gone
  | 'ERR_REGION_TOO_LARGE' // one view, or `bytes`, would be larger than an ArrayBuffer can be
  | 'ERR_REGISTRY_CLOSED'
  // Shortage
  | 'ERR_HUGEPAGES_SHORT' // the hugepage pool has too few free pages (on the wanted nodes)
  | 'ERR_CGROUP_LIMIT' // the cgroup's hugetlb or memory limit is too low
  | 'ERR_MEMLOCK_LIMIT' // RLIMIT_MEMLOCK
  | 'ERR_DESCRIPTORS_SHORT' // RLIMIT_NOFILE
  | 'ERR_MEMORY_SHORT' // the machine has too little memory, or the process too little address space
  | 'ERR_BUDGET_EXCEEDED' // the registry's own budget
  | 'ERR_NODE_MISMATCH' // pages came from another NUMA node than a strict placement asked for
  | 'ERR_POOL_CHANGE_REFUSED' // the kernel gave fewer hugepages to a pool than were asked for
  | 'ERR_POOL_CHANGE_BUSY' // another process has been changing hugepage pools for too long; it may be stopped
  // What this machine or process cannot do
  | 'ERR_UNSUPPORTED'
  | 'ERR_PERMISSION'
  | 'ERR_EXTERNAL_BUFFERS' // a runtime that refuses external ArrayBuffers (V8 sandbox, Electron)
  | 'ERR_ADDON_LOAD'
  // Translation
  | 'ERR_PAGE_ABSENT'
  | 'ERR_PAGE_SWAPPED'
  | 'ERR_PFN_HIDDEN' // the kernel hides page frame numbers without CAP_SYS_ADMIN
  | 'ERR_PROCESS_UNKNOWN' // no process has that pid
  | 'ERR_LAYOUT_IMPOSSIBLE' // a device page table that cannot describe these runs
  // RDMA
  | 'ERR_VERBS_LIBRARY' // libibverbs is not installed, or cannot be loaded
  | 'ERR_VERBS_SYMBOL' // libibverbs is too old: it lacks the function that the call needs
  | 'ERR_DEVICE_UNKNOWN' // no RDMA device has that name
  | 'ERR_DEVICE_PERMISSION' // this user may not open the device in /dev/infiniband
  | 'ERR_DEVICE_REFUSED' // the device or its driver refused a verb; `syscall` and `errno` tell which and how
  | 'ERR_DEVICE_REMOVED' // the device is gone, or its driver has given up
  | 'ERR_OBJECT_CLOSED' // a verbs object (device, domain, queue pair, …) that was closed
  | 'ERR_OBJECT_BUSY' // close() of a verbs object that others depend on; the message names them
  | 'ERR_DOMAIN_MISMATCH' // objects of different devices or domains cannot work together
  | 'ERR_QUEUE_FULL' // a send, receive or completion queue has no room
  | 'ERR_REQUEST_FAILED' // a work request ended with a status other than SUCCESS; the values have it
  | 'ERR_REQUEST_STALLED' // a work request did not complete within `stallAfter`
  | 'ERR_QUEUE_OVERRUN' // more requests completed than the completion queue has room for; the queue is dead
  | 'ERR_QUEUE_PAIR_STATE' // the state of the queue pair does not allow the call
  // Peers
  | 'ERR_PEER_CLOSED' // the stream to the peer ended or failed before the conversation was over
  | 'ERR_PEER_TIMEOUT' // the peer has not answered in time
  | 'ERR_PEER_PROTOCOL' // the peer sent something that is not understood: no pinfold, another version, or hostile
  | 'ERR_PEER_REFUSED' // the peer gave up; the message says why
  // Connections by address
  | 'ERR_CONNECTION_LIBRARY' // librdmacm is not installed, cannot be loaded, or is too old
  | 'ERR_ADDRESS_UNREACHABLE' // no device or route leads to the address, or no device has it
  | 'ERR_ADDRESS_IN_USE' // another listener has the address and port, or the name
  | 'ERR_CONNECTION_REFUSED' // the peer has rejected the connection, or nobody listens there
  | 'ERR_CONNECTION_TIMEOUT' // the peer has not answered in time
  | 'ERR_CONNECTION_CLOSED' // the connection, the request for it, or the listener has ended
  | 'ERR_CONNECTION_IDENTITY' // the peer has another name than was expected, or a generation that is too old
  // Rings
  | 'ERR_RING_LAYOUT' // this memory contains no ring, or a ring of another version
  | 'ERR_RING_CLAIMED' // another thread is the ring's only producer or consumer, or too many threads take part
  | 'ERR_RING_BUSY' // another thread, which is alive, has owned this side of the ring for too long
  | 'ERR_RING_RESERVATION' // a reservation is open and none may be, or none is open and the call needs one
  | 'ERR_RING_CLOSED'
  // Heaps
  | 'ERR_HEAP_CLOSED'
  | 'ERR_HEAP_IN_USE' // close() while there are live blocks
  | 'ERR_HEAP_FULL' // no free block is large enough
  | 'ERR_HEAP_DAMAGED' // check() found that a heap contradicts itself
  | 'ERR_BLOCK_FREE' // no live block starts there, since that memory is free: freed twice, or never allocated
  | 'ERR_BLOCK_UNKNOWN' // no live block starts there: the place is inside a block
  | 'ERR_BLOCK_OVERRUN' // something has written past the end of a block (heaps with red zones notice it)
  // Buffer pools
  | 'ERR_POOL_LAYOUT' // this memory contains no buffer pool, or one of another version or with overwritten records
  | 'ERR_POOL_OPEN' // this thread has a buffer pool, packets or a heap open in this memory
  | 'ERR_POOL_BUSY' // another thread, which is alive, has locked the buffer pool's depot for too long
  | 'ERR_POOL_CLOSED'
  | 'ERR_POOL_INDEX' // the number is not that of an element
  | 'ERR_ELEMENT_FREE' // an element is free, where one that was taken is expected
  | 'ERR_ELEMENT_WRITTEN' // an element was written to after it was put back
  // Packets
  | 'ERR_PACKETS_LAYOUT' // this memory contains no packets, or packets of another version
  | 'ERR_PACKETS_EXHAUSTED' // no packet, or no slot of an external buffer, is free
  | 'ERR_PACKET_FREE' // the packet is free: freed twice, or never allocated
  | 'ERR_PACKET_SEGMENT' // the number is that of a later segment, where a packet's number is expected
  | 'ERR_PACKET_SHARED' // a call needs a packet with one holder and a buffer of its own, and this packet is shared
  | 'ERR_PACKET_HEADROOM'
  | 'ERR_PACKET_TAILROOM'
  | 'ERR_PACKET_DAMAGED' // a packet's record contains impossible values
  // The lab
  | 'ERR_LAB_UNAVAILABLE' // something that a virtual machine needs is missing, and could not be fetched
  | 'ERR_LAB_FAILED' // a virtual machine did not start, or stopped before its command had ended
  // Tests
  | 'ERR_LEFT_OPEN' // expectNoLeaks: a test has opened things and not closed them
  // Everything else that the kernel refused
  | 'ERR_SYSTEM'

/** The parts of an error beside its message. */
export interface ErrorDetails {
  readonly code: ErrorCode
  /** The system call that failed, as in its man page. */
  readonly syscall?: string | undefined
  /** Its errno, positive, as in errno(3). */
  readonly errno?: number | undefined
  /** The values involved, by name. */
  readonly values?: Readonly<Record<string, unknown>> | undefined
  /** The exact command that repairs the problem, if there is one. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/** The only class of error that pinfold throws. It says what failed, with which values, and what to do. */
export class PinfoldError extends Error {
  override readonly name = 'PinfoldError'
  readonly code: ErrorCode
  readonly values: Readonly<Record<string, unknown>>
  // These are declared, not defined. They become own properties only if they have a value, so that an inspected error
  // shows no empty lines.
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

/** A number with more bits than this is no address, length or key, and writing it in decimal may take seconds. */
const mostBits = 256n
const tooLarge = 2n ** mostBits

/** A bigint in decimal, or only a bound if the decimal would be long. */
export function bigintText(value: bigint): string {
  if (value >= tooLarge) return `a number above 2^${mostBits}`
  return value <= -tooLarge ? `a number below -2^${mostBits}` : `${value}`
}

/** A text, cut to `most` characters. */
export function cut(text: string, most = 60): string {
  return text.length > most ? `${text.slice(0, most - 3)}...` : text
}

/** The values of an error. Values that Node takes seconds to print, or prints in full at any length, are shortened. */
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
  /**
   * The subject of the call, if the errno alone does not tell it: a path, a name, or the message of another library.
   */
  readonly subject?: string
}

/** True for a failed system call, as native code and `node:fs` throw it. */
export function isSystemFailure(error: unknown): error is SystemFailure {
  return error instanceof Error && 'syscall' in error && typeof error.syscall === 'string' && 'errno' in error
}

/** Wraps an error of native code or `node:fs` in a PinfoldError. A PinfoldError passes unchanged. */
export function toPinfoldError(error: unknown, code: ErrorCode = 'ERR_SYSTEM', hint?: string): PinfoldError {
  if (error instanceof PinfoldError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (!isSystemFailure(error)) return new PinfoldError(message, { code, hint, cause: error })
  const { syscall, values } = error
  return new PinfoldError(message, { code, syscall, errno: Math.abs(error.errno), values, hint, cause: error })
}
