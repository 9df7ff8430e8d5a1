import { loadAddon } from './addon/load.js'
import type { NativeConnections } from './native-connections.js'
import type { NativeVerbs } from './native-verbs.js'

/** The kinds of pages, as native code numbers them (native/memory/page_size.h). */
export const pageKind = { base: 0, transparent: 1, hugetlb: 2 } as const
/** The kinds of memory that back a mapping (native/memory/mapping.h). */
export const backingKind = { memfd: 0, anonymous: 1, file: 2, adopted: 3 } as const
/** Flags of a mapping (native/addon/memory_binding.cc). */
export const mappingFlag = { lock: 1, guard: 2, dump: 4, keepFile: 8 } as const
/** NUMA policies (native/memory/placement.h). */
export const policyKind = { none: 0, bind: 1, prefer: 2, interleave: 3, local: 4, preferMany: 5, bindLocal: 6 } as const
/**
 * Values in place of the physical address of a page whose address is not known (native/translate/pagemap.h). They are
 * so far below 0 that the sum with any offset is still negative.
 */
export const pageState = { absent: -1 * 2 ** 60, swapped: -2 * 2 ** 60, hidden: -3 * 2 ** 60 } as const

/** The categories of pages that `scanPages` reports, as bits (native/translate/page_scan.h). */
export const pageCategory = { present: 1 << 3, swapped: 1 << 4, huge: 1 << 6 } as const

/** Bytes of a range that is all in memory, as smaps counts them (native/translate/range_use.h). */
export interface NativeRangeUse {
  readonly mapped: number
  readonly resident: number
  readonly hugetlbShared: number
  readonly hugetlbPrivate: number
  readonly transparent: number
  readonly locked: number
  /** Of the first mapping. */
  readonly pageSize: number
  readonly name: string
}

/** Everything that native code needs to make a region: flat, checked, plain values. */
export interface NativeRequest {
  readonly name: string
  /** Bytes, a multiple of `pageSize`. */
  readonly size: number
  readonly pageSize: number
  readonly kind: number
  readonly backing: number
  /** A file on a hugetlbfs mount, or ''. */
  readonly path: string
  /** The file descriptor of adopted memory; for other memory it is ignored. Native code duplicates it at once. */
  readonly descriptor: number
  /** The offset in that file at which the region begins, a multiple of `pageSize`. */
  readonly offset: number
  /** Whether the file is accepted even if it cannot be sealed against shrinking. */
  readonly mayShrink: boolean
  readonly flags: number
  readonly policy: number
  readonly nodes: Uint32Array
  /** The number of threads that populate, 1 or more. */
  readonly threads: number
  /**
   * The largest value that `memoryUnderWay()[1]` may have when the allocation begins. The caller has computed it from
   * the kernel's counters; undefined if it has not read them. For base and transparent pages only. If the value is
   * larger, the allocation fails with EAGAIN of the call 'announce'. The caller then reads the counters, and tries
   * again.
   */
  readonly mostAnnounced: number | undefined
  /** A text that is kept with the region for threads that attach. Native code does not interpret it. */
  readonly description: string
}

/** One thread's attachment to a region. Addresses are below 2^53 (native code refuses others). */
export interface NativeRegion {
  /** Names this thread's attachment. The number is never used again for another. */
  readonly attachment: number
  /** Names the region in this process. The number is never used again for another. */
  readonly region: number
  readonly address: number
  readonly size: number
  readonly pageSize: number
  readonly name: string
  readonly description: string
}

/** Counts of the process-wide region table. */
export interface NativeTableCounts {
  /** Regions that have users (attachments). */
  readonly live: number
  /** Ranges without pages, kept for ArrayBuffers that are still reachable, or that were moved away. */
  readonly closed: number
  /** ArrayBuffers of all threads that are not yet finalized. */
  readonly buffers: number
}

/** The addon's functions. A failed system call is thrown as a `SystemFailure` (errors.ts). */
export interface Native {
  /** The version of pinfold that the addon belongs to. `loadAddon` accepts no other. */
  readonly version: string
  basePageSize(): number
  /** A random number that names this process. Handles contain it. */
  processToken(): number

  allocate(request: NativeRequest): NativeRegion
  /**
   * Populates on threads of its own, so call it through a JobQueue. `settle` is called once, on this thread. Returns a
   * ticket for `cancelAllocation`.
   */
  allocateAsync(request: NativeRequest, settle: (error: Error | null, region?: NativeRegion) => void): number
  /** Makes the allocation settle soon with ECANCELED. Does nothing if it has settled. */
  cancelAllocation(ticket: number): void
  /** Makes another attachment to a live region; undefined if the region is gone. */
  attach(region: number): NativeRegion | undefined
  /** Detaches this attachment's ArrayBuffers and ends the attachment; false if it had ended before. */
  close(attachment: number): boolean
  /** As `close`, but if no other thread has the region open, its pages stay until `unmap`. */
  leave(attachment: number): void
  /**
   * Gives back the pages of all regions that this thread has left, on another thread. `settle` is called once they are
   * the kernel's. Returns false if that is so already: there are none, or no thread could be started.
   */
  unmap(settle: () => void): boolean
  /** The ArrayBuffer of window `index`: bytes [index * 2 GiB, +4 GiB) of the region. It is made once, then kept. */
  window(attachment: number, index: number): ArrayBuffer
  /**
   * Takes the bytes of this thread's WebAssembly memory, in which `mapShadow` maps pages. Once in a thread. Returns the
   * address of the first byte.
   */
  openShadow(bytes: Uint8Array): number
  /**
   * Maps bytes [offset, offset + length) of the region, whole pages, a second time: at byte `at` of the memory. The address
   * there must be a multiple of the page size. Fails with EOPNOTSUPP for anonymous memory.
   */
  mapShadow(attachment: number, offset: number, length: number, at: number): void
  /** Replaces what was mapped at `at` by empty memory; false if the kernel refuses. */
  retireShadow(at: number): boolean
  /**
   * Gives the pages of a WebAssembly memory back to the kernel: its bytes are 0 then. Does nothing if the kernel refuses,
   * as for locked memory.
   */
  dropPages(bytes: Uint8Array): void
  tableCounts(): NativeTableCounts
  /**
   * `underWay`: bytes of base and transparent pages that threads of this process are about to populate. `announced`:
   * all such bytes since the process began.
   */
  memoryUnderWay(): [underWay: number, announced: number]

  /** Writes the NUMA node of each page at `address + i * stride` to `nodes`, or -errno (move_pages(2)). */
  pageNodes(address: number, stride: number, nodes: Int32Array): void

  /**
   * The memory to which `readPagemapEntry` and `readPagemapOf` write: four 32-bit words. They are the halves of the
   * entry and the halves of its address, each low half first. The memory belongs to this thread, and is never freed. It
   * is absent in a runtime without external ArrayBuffers.
   */
  readonly pagemapCell?: ArrayBuffer
  /** Reads the raw pagemap entry of an address. `pid` 0 is this process. */
  readPagemapEntry(pid: number, address: number): void
  /** Reads the raw pagemap entry of a view's first byte. */
  readPagemapOf(view: ArrayBufferView): void
  /** Reads the raw pagemap entries of consecutive base pages from `address` on; 0 where nothing is mapped. */
  readPagemapRaw(pid: number, address: number, entries: BigUint64Array): void
  /**
   * Writes one number to `pages` for each page of this process at `address + i * stride`: its physical address minus
   * `offset + i * stride`, or a `pageState`.
   */
  translate(address: number, stride: number, offset: number, pages: Float64Array): void
  /**
   * Reads one word for each page frame (pfn = physical / base page) of /proc/kpageflags (0) or /proc/kpagecount (1).
   */
  readPageWords(file: number, physical: Float64Array, words: BigUint64Array): void

  /**
   * Finds the present and swapped pages in [start, end) of an open /proc/PID/pagemap (PAGEMAP_SCAN), without a read for
   * each page that is not there. Writes three numbers for each stretch of equal pages: its start, its end, its
   * `pageCategory` bits. The scan ends at `next`, which is below `end` if the array was too short. Fails with ENOTTY
   * before Linux 6.7.
   */
  scanPages(pagemap: number, start: number, end: number, stretches: Float64Array): [found: number, next: number]

  /**
   * How much of this process's memory in [address, address + size) is present. Undefined when that takes smaps: before
   * Linux 6.11, and when some page is not present.
   */
  rangeUse(address: number, size: number): NativeRangeUse | undefined

  /**
   * flock(2) with LOCK_EX. If another open file holds the lock, the call returns false. With `wait`, it calls `wait`
   * each tenth of a second instead, until the lock is free or `wait` throws. It fails with EINTR, and the value
   * `signal`, if a SIGINT, SIGTERM or SIGHUP arrives meanwhile to which the program listens.
   */
  lockFile(fd: number, wait?: () => void): boolean
  /**
   * write(2) by a thread that is bound to one NUMA node meanwhile. The effect of some kernel files depends on that
   * node.
   */
  writeBound(fd: number, text: string, node: number): void
  /**
   * getrlimit(2) as [soft, hard] in the resource's unit, Infinity if unlimited. `resource` is the number in the ABI.
   */
  resourceLimit(resource: number): [number, number]
  /**
   * The processor's timestamp counter, and CLOCK_MONOTONIC in ns at the same time; undefined if the processor is no
   * x86-64.
   */
  timestampCounter(): [ticks: number, nanoseconds: number] | undefined
  /**
   * Listens by an abstract name (unix(7)), without the zero byte in front. The caller closes the descriptor. The name
   * ends with it.
   */
  listenAbstract(name: string): number
  /**
   * Connects to an abstract name without waiting: ECONNREFUSED when nobody listens, EPERM when the listener belongs to
   * another user, EAGAIN when too many connections wait there. The caller closes the descriptor.
   */
  connectAbstract(name: string): number
  /** Whether the process at the other end of a unix-domain connection has our effective user. */
  isSameUser(fd: number): boolean
  /**
   * Tries the kernel features that doctor reports. The result says for each name whether this kernel has the feature.
   */
  probeFeatures(): Readonly<Record<string, boolean>>

  /** RDMA. libibverbs is not loaded before one of these functions needs it. */
  readonly verbs: NativeVerbs
  /** Connections by address. librdmacm is not loaded before one of these functions needs it. */
  readonly connections: NativeConnections
}

const loaded = loadAddon(import.meta.url)

export const native = loaded.exports as Native
/** The file of the addon. */
export const addonPath: string = loaded.path
