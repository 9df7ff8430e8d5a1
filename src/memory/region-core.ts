import { constants } from 'node:os'
import { type ErrorCode, isSystemFailure, PinfoldError, toPinfoldError } from '../errors.js'
import { type NativeRegion, native } from '../native.js'
import { checkRange } from '../options.js'
import { formatSize, GiB } from '../sizes.js'
import type { PagesName } from '../system/page-sizes.js'
import { type Caller, StackSampler } from './call-stack.js'
import { announce, isWatched } from './openings.js'
import { RangeClaims } from './range-claims.js'
import { type HoldReason, RegionHolds } from './region-holds.js'
import { leaveRegion } from './unmapping.js'

/** A kind of pages that came earlier in the caller's list, and the reason why the region has other pages. */
export interface PassedOver {
  /** The kind, as the caller wrote it. */
  readonly pages: PagesName
  /** The code of the error that this kind alone would have caused. */
  readonly code: ErrorCode
  /** That error's message. */
  readonly reason: string
  /** The command that would have helped, if there is one. */
  readonly hint?: string
}

/** What the thread that made a region tells the threads that attach it. Native code keeps it as text. */
export interface RegionDescription {
  readonly pages: PagesName
  readonly pageSize: number
  readonly passedOver: readonly PassedOver[]
}

/** A thread takes the stacks of so many holds in a second. */
export const holdStacksPerSecond = 100
const holdStacks = new StackSampler(holdStacksPerSecond)

/** Bytes of one window, which is one ArrayBuffer: the largest typed array of Node 20. */
export const windowSize = 4 * GiB
/** A window starts at every multiple of this, so that any view of up to this length lies in one window. */
export const windowStep = 2 * GiB

/**
 * One thread's attachment to a region. All Region objects of that thread for this region share it. It must not refer to
 * any of them, so that a Region that is dropped while it is open can be noticed.
 */
export class RegionCore {
  readonly name: string
  readonly id: number
  readonly address: bigint
  readonly size: number
  readonly pages: PagesName
  readonly pageSize: number
  readonly passedOver: readonly PassedOver[]
  readonly #attachment: number
  readonly #windows: (ArrayBuffer | undefined)[] = []
  /** The holds of this thread that are not released. */
  readonly holds: RegionHolds
  readonly #onClose: (() => void)[] = []
  readonly #onFree: (() => void)[] = []
  #claims: RangeClaims | undefined
  #refusals = 0
  #closed = false
  /** True when the close is complete. Only the pages may still be on their way. */
  #done = false
  /** Resolves when the pages are the kernel's again, after `closeAsync`. */
  #freed: Promise<void> | undefined
  #isFree = false

  constructor(region: NativeRegion, description: RegionDescription) {
    this.name = region.name
    this.holds = new RegionHolds(region.name)
    this.id = region.region
    this.address = BigInt(region.address)
    this.size = region.size
    this.pages = description.pages
    this.pageSize = description.pageSize
    this.passedOver = description.passedOver
    this.#attachment = region.attachment
    if (isWatched()) announce(this)
  }

  /** Its name in messages. */
  get label(): string {
    return `region '${this.name}'`
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The ranges that this thread has given to rings, buffer pools, packets and heaps. */
  get claims(): RangeClaims {
    this.#claims ??= new RangeClaims(this)
    return this.#claims
  }

  /** Closes what stands on these ranges. @throws as RangeClaims.close */
  closeClaims(): void {
    this.#claims?.close()
  }

  /** The reason why a held region cannot be closed. */
  get heldMessage(): string {
    return `region '${this.name}' is held: ${this.holds.reasons('all')}`
  }

  /**
   * Calls `listener` after the region was closed in this thread; the newest listener comes first. Each listener runs
   * once. If a listener throws (ours do only on stack overflow), the next `close()` resumes with it.
   */
  onClose(listener: () => void): void {
    this.#onClose.push(listener)
  }

  /** As `onClose`, but after `closeAsync` the listeners are called when the pages are the kernel's again. */
  onFree(listener: () => void): void {
    if (this.#isFree) listener()
    else this.#onFree.push(listener)
  }

  /** True when this thread has closed the region, and its pages are the kernel's or another thread's. */
  get isFree(): boolean {
    return this.#isFree
  }

  /**
   * All of the region, of up to 4 GiB.
   *
   * @throws PinfoldError `ERR_REGION_TOO_LARGE`, `ERR_EXTERNAL_BUFFERS`, `ERR_SYSTEM`
   */
  bytes(): Uint8Array<ArrayBuffer> {
    if (this.size > windowSize) throw this.#tooLarge('bytes', this.size, windowSize)
    return new Uint8Array(this.window(0))
  }

  /**
   * A view of `length` bytes, up to 2 GiB, at `offset`.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_OUT_OF_RANGE`, `ERR_REGION_TOO_LARGE`, `ERR_EXTERNAL_BUFFERS`,
   *   `ERR_SYSTEM`
   */
  view(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.requireOpen('view')
    checkRange('view', offset, length, this.size)
    if (length > windowStep) throw this.#tooLarge('view', length, windowStep)
    const index = offset + length <= windowSize ? 0 : this.#laterWindow(offset)
    return new Uint8Array(this.window(index), offset - index * windowStep, length)
  }

  /**
   * Maps whole pages a second time, at byte `at` of this thread's WebAssembly memory.
   *
   * @throws SystemFailure if the kernel refuses; EOPNOTSUPP for anonymous memory
   */
  mapShadow(offset: number, length: number, at: number): void {
    native.mapShadow(this.#attachment, offset, length, at)
  }

  /** The ArrayBuffer of a window. It is made at first use, and again if the program has transferred it away. */
  window(index: number): ArrayBuffer {
    const kept = this.#windows[index]
    if (kept !== undefined && kept.byteLength > 0) return kept
    try {
      const made = native.window(this.#attachment, index)
      this.#windows[index] = made
      return made
    } catch (error) {
      throw windowFailure(error)
    }
  }

  /**
   * @param entry the function whose caller made the hold: the stack begins there
   * @param subject the function that the program called: errors begin with it
   * @throws PinfoldError `ERR_REGION_CLOSED`, also while holds are refused
   */
  hold(reason: HoldReason, entry: Caller = this.hold, subject = 'hold'): () => void {
    // Before the checks, since this may run the program's Error.prepareStackTrace, which may close the region.
    const stack = holdStacks.capture(entry)
    this.requireOpen(subject)
    if (this.#refusals > 0) {
      throw new PinfoldError(`${subject}: region '${this.name}' is being closed`, {
        code: 'ERR_REGION_CLOSED',
        values: { name: this.name },
      })
    }
    return this.holds.add(reason, stack)
  }

  /** Refuses new holds, for a caller that is about to close. Returns the function that allows them again. */
  refuseHolds(): () => void {
    this.#refusals += 1
    return () => {
      this.#refusals -= 1
    }
  }

  /** @throws PinfoldError `ERR_REGION_CLOSED` */
  requireOpen(subject: string): void {
    if (!this.#closed) return
    throw new PinfoldError(`${subject}: region '${this.name}' is closed`, {
      code: 'ERR_REGION_CLOSED',
      values: { name: this.name },
    })
  }

  /**
   * Ends this thread's attachment. If the first call ended in a stack overflow, the next call completes it.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the holders; nothing is changed then
   */
  close(): void {
    if (this.#done) return
    const isBlocking = this.#freed === undefined
    this.#end(() => {
      native.close(this.#attachment)
      if (isBlocking) this.#free() // first: the listeners to the close find the budget released
    })
    if (isBlocking) this.#free()
    this.#done = true
  }

  /**
   * As `close`: when the call returns, the region is closed. The pages go back on another thread; the promise resolves
   * when they are the kernel's, and never rejects.
   *
   * @throws PinfoldError as `close`, at once
   */
  closeAsync(): Promise<void> {
    if (!this.#done) {
      this.#end(() => {
        this.#freed ??= leaveRegion(this.#attachment).then(() => this.#free())
      })
      this.#done = true
    }
    return this.#freed ?? Promise.resolve()
  }

  #free(): void {
    this.#isFree = true
    callAll(this.#onFree)
  }

  #end(leave: () => void): void {
    if (!this.#closed && this.holds.count('all') > 0) {
      const { names, count } = this.holds.reasons('all')
      throw new PinfoldError(this.heldMessage, {
        code: 'ERR_REGION_HELD',
        values: { name: this.name, holders: names, count },
      })
    }
    this.#closed = true
    this.#windows.length = 0
    try {
      leave()
    } finally {
      // Also if native code failed: this thread has given up the attachment, and the listeners must know.
      callAll(this.#onClose)
    }
  }

  /**
   * The window that contains a view which does not lie in the first. No window starts at the very end of the region.
   */
  #laterWindow(offset: number): number {
    return Math.min(Math.floor(offset / windowStep), Math.ceil(this.size / windowStep) - 1)
  }

  #tooLarge(subject: string, length: number, most: number): PinfoldError {
    return new PinfoldError(
      `${subject}: ${formatSize(length)} of region '${this.name}' are more than one view can show: ${formatSize(most)}`,
      { code: 'ERR_REGION_TOO_LARGE', values: { length, most }, hint: 'region.view(offset, length), up to 2 GiB each' },
    )
  }
}

/** Calls the newest listener first. Each is removed when it has run; it may lead here again. */
function callAll(listeners: (() => void)[]): void {
  for (let at = listeners.length - 1; at >= 0; at = listeners.length - 1) {
    listeners[at]?.()
    if (listeners.length > at) listeners.length = at
  }
}

/**
 * The error for a window that cannot be made. Some runtimes refuse external ArrayBuffers (V8's sandbox, as in
 * Electron).
 */
export function windowFailure(error: unknown): PinfoldError {
  // native/addon/window.cc: this errno stands for napi_no_external_buffers_allowed.
  const isRefused = isSystemFailure(error) && error.errno === constants.errno.EOPNOTSUPP
  if (!isRefused) return toPinfoldError(error)
  return toPinfoldError(error, 'ERR_EXTERNAL_BUFFERS', 'run it on Node.js: this runtime has no external ArrayBuffers')
}
