import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { PinfoldError } from './errors.js'
import type { NativeVerbs } from './native-verbs.js'

/** How pages back a region, as native code numbers it (native/memory/page_size.h). */
export const pageKind = { base: 0, transparent: 1, hugetlb: 2 } as const
/** What backs a mapping (native/memory/mapping.h). */
export const backingKind = { memfd: 0, anonymous: 1, file: 2, adopted: 3 } as const
/** Flags of a mapping (native/addon/memory_binding.cc). */
export const mappingFlag = { lock: 1, guard: 2, dump: 4, keepFile: 8 } as const
/** NUMA policies (native/memory/placement.h). */
export const policyKind = { none: 0, bind: 1, prefer: 2, interleave: 3, local: 4, preferMany: 5, bindLocal: 6 } as const
/**
 * Values in place of the physical address of a page whose address is not known (native/translate/pagemap.h). They are so far
 * below 0 that the sum with any offset is still negative.
 */
export const pageState = { absent: -1 * 2 ** 60, swapped: -2 * 2 ** 60, hidden: -3 * 2 ** 60 } as const

/** Everything native code needs to make a region; flat, checked and plain. */
export interface NativeRequest {
  readonly name: string
  /** Bytes, a multiple of `pageSize`. */
  readonly size: number
  readonly pageSize: number
  readonly kind: number
  readonly backing: number
  /** A file on a hugetlbfs mount, or ''. */
  readonly path: string
  /** Of adopted memory, and looked at for that alone: a file descriptor, which is duplicated at once. */
  readonly descriptor: number
  /** Where in it the region begins, a multiple of `pageSize`. */
  readonly offset: number
  /** Whether it is taken although it cannot be sealed against shrinking. */
  readonly mayShrink: boolean
  readonly flags: number
  readonly policy: number
  readonly nodes: Uint32Array
  /** Threads that populate, 1 or more. */
  readonly threads: number
  /**
   * The largest value that `memoryUnderWay()[1]` may have when the allocation begins. The caller has computed it from the
   * kernel's counters; undefined if it has not read them. For base and transparent pages only. If the value is larger, the
   * allocation fails with EAGAIN of 'announce': read the counters, and try again.
   */
  readonly mostAnnounced: number | undefined
  /** Kept with the region for whoever attaches; opaque to native code. */
  readonly description: string
}

/** A region as one thread holds it: one attachment. Addresses are below 2^53 (native code refuses others). */
export interface NativeRegion {
  /** Names this thread's attachment; never used again for another. */
  readonly attachment: number
  /** Names the region in this process; never used again for another. */
  readonly region: number
  readonly address: number
  readonly size: number
  readonly pageSize: number
  readonly name: string
  readonly description: string
}

/** Counts of the process-wide region table. */
export interface NativeTableCounts {
  /** Regions with a user. */
  readonly live: number
  /** Ranges without pages, kept for ArrayBuffers that are still reachable, or that were moved away. */
  readonly closed: number
  /** ArrayBuffers not yet finalized, all threads. */
  readonly buffers: number
}

/** The addon's functions. Failed system calls arrive as `SystemFailure` (errors.ts). */
export interface Native {
  basePageSize(): number
  /** A random number that names this process; handles carry it. */
  processToken(): number

  allocate(request: NativeRequest): NativeRegion
  /** Populates on its own threads; `settle` is called once, on this thread. Returns a ticket for `cancelAllocation`. */
  allocateAsync(request: NativeRequest, settle: (error: Error | null, region?: NativeRegion) => void): number
  /** Makes the allocation settle soon with ECANCELED; nothing when it has settled. */
  cancelAllocation(ticket: number): void
  /** Another attachment to a live region; undefined when the region is gone. */
  attach(region: number): NativeRegion | undefined
  /** Detaches this attachment's ArrayBuffers and gives it up; false when it was given up before. */
  close(attachment: number): boolean
  /** The ArrayBuffer of window `index`: bytes [index * 2 GiB, +4 GiB) of the region. Made once, then kept. */
  window(attachment: number, index: number): ArrayBuffer
  tableCounts(): NativeTableCounts
  /**
   * Base and transparent pages that the threads of this process are about to populate, in bytes, and those of which they
   * have ever been.
   */
  memoryUnderWay(): [underWay: number, announced: number]

  /** NUMA node of each page at `address + i * stride`, or -errno (move_pages(2)). */
  pageNodes(address: number, stride: number, nodes: Int32Array): void

  /**
   * Where `readPagemapEntry` and `readPagemapOf` put what they read: four 32-bit words, the entry's two halves, low first,
   * and its address's. Memory of this thread's own, for good; absent in a runtime that has no external ArrayBuffers.
   */
  readonly pagemapCell?: ArrayBuffer
  /** Raw pagemap entry of an address. `pid` 0 is this process. */
  readPagemapEntry(pid: number, address: number): void
  /** Raw pagemap entry of a view's first byte. */
  readPagemapOf(view: ArrayBufferView): void
  /** Raw pagemap entries of consecutive base pages from `address` on; 0 where nothing is mapped. */
  readPagemapRaw(pid: number, address: number, entries: BigUint64Array): void
  /**
   * Of each page at `address + i * stride`, its physical address minus `offset + i * stride`, or a `pageState`. This
   * process.
   */
  translate(address: number, stride: number, offset: number, pages: Float64Array): void
  /** One word per page frame (pfn = physical / base page) of /proc/kpageflags (0) or /proc/kpagecount (1). */
  readPageWords(file: number, physical: Float64Array, words: BigUint64Array): void

  /**
   * flock(2) LOCK_EX. When another has it: returns false, or calls `wait` each tenth of a second until it is free or
   * `wait` throws. EINTR, with the value `signal`, when a SIGINT, SIGTERM or SIGHUP comes meanwhile to which the
   * program listens.
   */
  lockFile(fd: number, wait?: () => void): boolean
  /** write(2), by a thread that is bound to one NUMA node meanwhile: some files of the kernel go by that. */
  writeBound(fd: number, text: string, node: number): void
  /** getrlimit(2) as [soft, hard] in the resource's unit, Infinity when unlimited. Resource numbers of the ABI. */
  resourceLimit(resource: number): [number, number]
  /** Makes this process one that `barrierEverywhere` reaches; false where the kernel has no such barriers. */
  registerForBarriers(): boolean
  /**
   * membarrier(2): every thread of every process that has registered has made its earlier stores visible, and sees ours
   * from its next load on. It interrupts them all. False where the kernel has no such barriers.
   */
  barrierEverywhere(): boolean
  /** The processor's timestamp counter, and CLOCK_MONOTONIC in ns at the same time; undefined where it is no x86-64. */
  timestampCounter(): [ticks: number, nanoseconds: number] | undefined
  /** Kernel features that were tried, by name (for doctor): whether this kernel has them. */
  probeFeatures(): Readonly<Record<string, boolean>>

  /** RDMA: nothing of libibverbs is loaded before it is asked for. */
  readonly verbs: NativeVerbs
}

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where the addon may be: our own build first, then the binaries that the package ships (musl's fails to load on glibc). */
function candidates(): string[] {
  const prebuilt = (libc: string) => `${root}prebuilds/${process.platform}-${process.arch}-${libc}/pinfold.node`
  return [`${root}build/Release/pinfold.node`, prebuilt('glibc'), prebuilt('musl')]
}

function load(): Native {
  const require = createRequire(import.meta.url)
  const failures: string[] = []
  for (const path of candidates()) {
    if (!existsSync(path)) {
      failures.push(`${path}: no such file`)
      continue
    }
    try {
      return require(path) as Native
    } catch (error) {
      failures.push(`${path}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new PinfoldError(`pinfold's native part could not be loaded:\n  ${failures.join('\n  ')}\n${remedies()}`, {
    code: 'ERR_ADDON_LOAD',
    values: { platform: process.platform, arch: process.arch, node: process.version },
    hint: isCheckout() ? 'npm run build' : undefined,
  })
}

function remedies(): string {
  const lines: string[] = []
  if (process.platform !== 'linux') lines.push(`pinfold runs on Linux only, and this is ${process.platform}`)
  else if (isCheckout()) lines.push('npm run build')
  else
    lines.push(`this package has binaries for ${shipped()}, and this is linux-${process.arch}: install it here again`)
  if (!(Number(process.versions.napi) >= 9)) lines.push(`Node 20.19 or later, since this is ${process.version}`)
  return `remedies:\n  - ${lines.join('\n  - ')}`
}

/** The sources are in a checkout only, and only from them can the addon be built. */
function isCheckout(): boolean {
  return existsSync(`${root}CMakeLists.txt`)
}

function shipped(): string {
  return existsSync(`${root}prebuilds`) ? readdirSync(`${root}prebuilds`).join(', ') : 'no platform'
}

export const native: Native = load()
