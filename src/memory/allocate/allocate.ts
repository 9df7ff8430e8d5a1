import { availableParallelism } from 'node:os'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../../errors.js'
import { backingKind, mappingFlag, type NativeRegion, type NativeRequest, native, pageKind } from '../../native.js'
import { formatSize, MiB } from '../../sizes.js'
import { descriptorShortage } from '../../system/descriptors.js'
import { formatIndexList } from '../../system/kernel-files.js'
import { nodesText, pagesText } from '../../system/texts.js'
import { jobs } from '../job-queue.js'
import type { PagesKind } from '../page-kinds.js'
import { readPageNodes, strayPages } from '../page-nodes.js'
import { type PassedOver, RegionCore, type RegionDescription } from '../region-core.js'
import type { CheckedRegionOptions } from '../region-options.js'
import { explainShortage, requireMemory } from '../shortage/shortage.js'
import type { Stop } from '../stop.js'
import { leaveRegion } from '../unmapping.js'
import type { Attempt } from './attempt.js'
import { adoptionOf, fileOf } from './backing.js'
import { backingFailure, ofBacking } from './backing-failure.js'
import { pageChoice, preferences } from './page-choice.js'
import { type Placement, placementOf } from './placement.js'

/** Decides whether a region may be made: its part of the budget of its registry. */
export interface Claim {
  /** Throws to refuse the attempt, or takes what it needs. */
  admit(attempt: Attempt): void
  /** Gives back what the last attempt took: when it fails, or when its region's pages are the kernel's again. */
  release(): void
}

const unlimited: Claim = { admit: () => {}, release: () => {} }

/**
 * Makes a region with the first of the caller's preferences that succeeds; all or nothing. The caller has checked name
 * and options. One preference at a time is admitted and attempted.
 */
export class Allocation {
  readonly #name: string
  readonly #options: CheckedRegionOptions
  readonly #claim: Claim
  readonly #placement: Placement
  readonly #preferences: readonly PagesKind[]
  /** How many of the preferences were admitted or passed over. */
  #tried = 0
  #failures: readonly PinfoldError[] = []
  #passedOver: readonly PassedOver[] = []
  #attempt: Attempt
  #isCheckDue = false

  /** Admits the first attempt. @throws PinfoldError as `run` when none is admitted */
  constructor(name: string, options: CheckedRegionOptions, claim: Claim = unlimited) {
    this.#name = name
    this.#options = options
    this.#claim = claim
    this.#placement = looked(() => placementOf(options))
    this.#preferences = looked(() => preferences(options))
    this.#attempt = this.#admitted()
  }

  /**
   * Waits for its turn among the jobs of this thread, and populates beside the event loop.
   *
   * @throws the reason of `stop` when that is stopped, else PinfoldError: the error of the only preference, or an error
   *   with the code of the first that names them all
   */
  run(stop?: Stop): Promise<RegionCore> {
    return jobs.run(() => this.#populated(stop), stop)
  }

  /** As `run`; blocks this thread until every page is present. */
  runSync(): RegionCore {
    for (;;) {
      try {
        return this.#made(native.allocate(this.#request()))
      } catch (failure) {
        this.#continueAfter(failure)
      }
    }
  }

  async #populated(stop: Stop | undefined): Promise<RegionCore> {
    for (;;) {
      try {
        return this.#made(await populate(this.#request(), stop))
      } catch (failure) {
        if (stop?.isStopped) {
          this.#claim.release()
          throw stop.reason
        }
        this.#continueAfter(failure)
      }
    }
  }

  /** Admits the next preference that the budget and the machine allow. @throws PinfoldError when there is none */
  #admitted(): Attempt {
    for (;;) {
      const pages = this.#preferences[this.#tried]
      if (pages === undefined) throw refused(this.#name, this.#options.size, this.#failures, this.#passedOver)
      this.#tried += 1
      try {
        const choice = pageChoice(pages, this.#options)
        const size = Math.ceil(this.#options.size / choice.bytes) * choice.bytes
        const attempt = { size, choice, placement: this.#placement, options: this.#options }
        this.#claim.admit(attempt)
        this.#isCheckDue = isChecked(attempt) && size >= MiB
        return attempt
      } catch (error) {
        this.#passOver(pages, descriptorShortage(error) ?? toPinfoldError(error))
      }
    }
  }

  #passOver({ asked: pages }: PagesKind, failure: PinfoldError): void {
    const { code, message: reason, hint } = failure
    this.#failures = [...this.#failures, failure]
    this.#passedOver = [
      ...this.#passedOver,
      hint === undefined ? { pages, code, reason } : { pages, code, reason, hint },
    ]
  }

  /** @throws PinfoldError the shortage that the kernel would meet */
  #request(): NativeRequest {
    const mostAnnounced = this.#isCheckDue ? requireMemory(this.#attempt) : undefined
    return requestOf(this.#name, this.#attempt, this.#description, mostAnnounced)
  }

  get #description(): RegionDescription {
    const { choice } = this.#attempt
    return { pages: choice.name, pageSize: choice.bytes, passedOver: this.#passedOver }
  }

  #made(region: NativeRegion): RegionCore {
    const core = new RegionCore(region, this.#description)
    core.onFree(() => this.#claim.release())
    try {
      if (this.#placement.verify) verifyNodes(core, this.#placement)
    } catch (error) {
      core.close()
      throw error
    }
    return core
  }

  /**
   * Prepares the next attempt: of the next preference, or the same once more, with a check. Small regions are populated
   * without one until native code refuses; and another thread may take the memory after a check.
   */
  #continueAfter(failure: unknown): void {
    const pages = this.#preferences[this.#tried - 1]
    if (isSystemFailure(failure) && failure.syscall === 'announce') {
      this.#isCheckDue = true
    } else if (pages !== undefined) {
      this.#claim.release()
      this.#passOver(pages, explained(failure, this.#attempt))
      this.#attempt = this.#admitted()
    }
  }
}

export function allocateCoreSync(name: string, options: CheckedRegionOptions): RegionCore {
  return new Allocation(name, options).runSync()
}

function populate(request: NativeRequest, stop: Stop | undefined): Promise<NativeRegion> {
  return new Promise((resolve, reject) => {
    if (stop?.isStopped) return reject(stop.reason)
    // Last: nothing may throw while the job is under way, or its region would have no owner.
    const ticket = native.allocateAsync(request, (error, region) => {
      stop?.listen(undefined)
      if (region === undefined) reject(error)
      else if (!stop?.isStopped) resolve(region)
      else void leaveRegion(region.attachment).then(() => reject(stop.reason))
    })
    stop?.listen(() => native.cancelAllocation(ticket))
  })
}

/**
 * Whether it must be checked that there is enough memory before the kernel is asked: for base and transparent pages. The
 * kernel overcommits them, and kills a process (or the largest of its cgroup) when they are touched. The check takes up
 * to 0.3 ms, more than it takes to populate a small region: small regions are checked when they have 1 MiB together.
 */
function isChecked({ choice, options }: Attempt): boolean {
  // A shortage of hugetlb pages is an errno. Most of adopted memory is there already.
  return choice.kind !== pageKind.hugetlb && adoptionOf(options) === undefined
}

/** The attempt in the flat form of native code. */
function requestOf(
  name: string,
  { size, choice, placement, options }: Attempt,
  description: RegionDescription,
  mostAnnounced: number | undefined,
): NativeRequest {
  const { backing = 'memfd', threads, lock, guard, dump } = options
  const file = fileOf(options)
  const adoption = adoptionOf(options)
  return {
    name,
    size,
    pageSize: choice.alignment,
    kind: choice.kind,
    backing: adoption ? backingKind.adopted : typeof backing === 'object' ? backingKind.file : backingKind[backing],
    path: file?.file ?? '',
    descriptor: adoption?.descriptor ?? 0,
    offset: adoption?.offset ?? 0,
    mayShrink: adoption?.mayShrink === true,
    flags:
      (lock ? mappingFlag.lock : 0) |
      (guard ? mappingFlag.guard : 0) |
      (dump ? mappingFlag.dump : 0) |
      (file?.keep ? mappingFlag.keepFile : 0),
    policy: placement.policy,
    nodes: new Uint32Array(placement.nodes),
    // Beyond 8 threads the kernel's own locks are in the way. Native code starts no more threads than there are chunks.
    threads: threads ?? Math.min(8, availableParallelism()),
    mostAnnounced,
    // For other threads; the thread that makes the region keeps the object.
    description: JSON.stringify(description),
  }
}

/** Looks at the machine, whose kernel's files cannot be read without a descriptor. */
function looked<Facts>(look: () => Facts): Facts {
  try {
    return look()
  } catch (error) {
    throw descriptorShortage(error) ?? error
  }
}

function explained(failure: unknown, attempt: Attempt): PinfoldError {
  try {
    return explain(failure, attempt)
  } catch (error) {
    return descriptorShortage(error) ?? toPinfoldError(error) // the counters cannot be read
  }
}

/** A failed attempt as a typed error. The kernel's counters explain a shortage; the call explains everything else. */
function explain(failure: unknown, attempt: Attempt): PinfoldError {
  if (!isSystemFailure(failure)) return toPinfoldError(failure)
  // First: without a free descriptor, the kernel's counters cannot be read.
  const shortage = descriptorShortage(failure)
  if (shortage !== undefined) return shortage
  const { syscall } = failure
  if (ofBacking.includes(syscall)) return backingFailure(failure, attempt)
  if (syscall === 'pthread_create') return toPinfoldError(failure)
  return explainShortage(failure, attempt)
}

/** @throws PinfoldError `ERR_NODE_MISMATCH` when a page is on a node that was not asked for, `ERR_SYSTEM` */
function verifyNodes(core: RegionCore, { nodes }: Placement): void {
  const strays = strayPages(readPageNodes(core), nodes)
  if (strays.length === 0) return
  const pages = core.size / core.pageSize
  const where = strays.map(([node, count]) => `${count} from node ${node}`).join(', ')
  throw new PinfoldError(`${pagesText(pages, core.pageSize)} wanted${nodesText(formatIndexList(nodes))}: ${where}`, {
    code: 'ERR_NODE_MISMATCH',
    values: { pages, nodes, strays: Object.fromEntries(strays) },
  })
}

function refused(
  name: string,
  size: number,
  failures: readonly PinfoldError[],
  passedOver: readonly PassedOver[],
): PinfoldError {
  const [first] = failures
  if (first !== undefined && failures.length === 1) return first
  const reasons = passedOver.map(({ pages, reason }) => `\n  ${pages}: ${reason}`).join('')
  return new PinfoldError(`no pages for region '${name}' of ${formatSize(size)}:${reasons}`, {
    code: first?.code ?? 'ERR_SYSTEM',
    values: { name, size, passedOver },
    hint: failures.find(({ hint }) => hint !== undefined)?.hint,
    cause: first,
  })
}
