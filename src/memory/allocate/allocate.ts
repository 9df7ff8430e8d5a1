import { availableParallelism } from 'node:os'
import { abortReason, isAborted, onAbort, throwIfAborted } from '../../abort.js'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../../errors.js'
import {
  backingKind,
  mappingFlag,
  type NativeRegion,
  type NativeRequest,
  native,
  pageKind,
  policyKind,
} from '../../native.js'
import { formatSize, MiB } from '../../sizes.js'
import { formatIndexList } from '../../system/kernel-files.js'
import { nodesText, pagesText } from '../../system/texts.js'
import { readPageNodes, strayPages } from '../page-nodes.js'
import { type PassedOver, RegionCore, type RegionDescription } from '../region-core.js'
import type { CheckedRegionOptions } from '../region-options.js'
import { explainShortage, requireMemory } from '../shortage/shortage.js'
import type { WantedMemory } from '../shortage/wanted.js'
import { adoptionOf, fileOf } from './backing.js'
import { backingFailure, ofBacking } from './backing-failure.js'
import { type PageChoice, pageChoice, preferences } from './page-choice.js'
import { type Placement, placementOf } from './placement.js'

/** What is about to be asked of the kernel. */
export interface Admission {
  readonly pages: string
  /** Bytes of the smallest page. */
  readonly pageSize: number
  /** Bytes of the region, whole pages. */
  readonly bytes: number
  /** The nodes that the caller named; none when the kernel chooses. */
  readonly nodes: readonly number[]
  /** Whether they are to be spread evenly over these nodes. */
  readonly interleaved: boolean
}

/** Throws to refuse a try, or lets it pass; the function that it returns takes that back, on failure or on close. */
export type Admit = (admission: Admission) => () => void

const everything: Admit = () => () => {}

/** What one try came to. */
type Outcome = { readonly region: NativeRegion } | { readonly failure: unknown } | { readonly aborted: unknown }

/** Ends the negotiation with the signal's own reason, whatever that is. */
class Aborted {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}

/**
 * Makes a region of the first of the caller's preferences that can be had; all or nothing. The event loop stays free.
 * Behind the door: name, options and signal were checked by whoever calls it.
 *
 * @throws the signal's reason when it is aborted, else PinfoldError: the first preference's own error when there is but
 *   one, else one with its code that tells them all
 */
export async function allocateCore(
  name: string,
  options: CheckedRegionOptions,
  signal?: AbortSignal,
  admit: Admit = everything,
): Promise<RegionCore> {
  const tries = negotiate(name, options, admit)
  let step = tries.next()
  while (!step.done) {
    let outcome: Outcome
    try {
      outcome = { region: await populate(step.value, signal) }
    } catch (failure) {
      outcome = isAborted(signal) ? { aborted: abortReason(signal) } : { failure }
    }
    step = tries.next(outcome)
  }
  return step.value
}

/** As {@link allocateCore}, blocking this thread until every page is there. */
export function allocateCoreSync(name: string, options: CheckedRegionOptions, admit: Admit = everything): RegionCore {
  const tries = negotiate(name, options, admit)
  let step = tries.next()
  while (!step.done) {
    let outcome: Outcome
    try {
      outcome = { region: native.allocate(step.value) }
    } catch (failure) {
      outcome = { failure }
    }
    step = tries.next(outcome)
  }
  return step.value
}

function populate(request: NativeRequest, signal: AbortSignal | undefined): Promise<NativeRegion> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal)
    let ticket: number | undefined
    const deafen = onAbort(signal, () => {
      if (ticket !== undefined) native.cancelAllocation(ticket)
    })
    // Last: with the job under way nothing may throw, or nobody would own the region that it brings.
    ticket = native.allocateAsync(request, (error, region) => {
      if (region === undefined) reject(error)
      else if (!isAborted(signal)) resolve(region)
      else {
        native.close(region.attachment)
        reject(abortReason(signal))
      }
      deafen()
    })
  })
}

/** The tries, one after the other: yields what to ask of the kernel, is told what came of it, returns the region. */
function* negotiate(
  name: string,
  options: CheckedRegionOptions,
  admit: Admit,
): Generator<NativeRequest, RegionCore, Outcome> {
  const placement = placementOf(options)
  const failures: PinfoldError[] = []
  const passedOver: PassedOver[] = []
  for (const pages of preferences(options)) {
    let release: (() => void) | undefined
    try {
      const choice = pageChoice(pages, options)
      const size = Math.ceil(options.size / choice.pageSize) * choice.pageSize
      const { nodes, policy } = placement
      const interleaved = policy === policyKind.interleave
      release = admit({ pages: choice.pages, pageSize: choice.pageSize, bytes: size, nodes, interleaved })
      const wanted = wantedOf(size, choice, placement, options)
      const request = requestOf(name, size, choice, placement, options, passedOver)
      const outcome = yield* attempt(request, wanted)
      if ('aborted' in outcome) throw new Aborted(outcome.aborted)
      if ('failure' in outcome) throw explain(outcome.failure, wanted, choice, options)
      const core = new RegionCore(outcome.region)
      core.onClose(release)
      release = undefined // the core's from here on
      try {
        if (placement.verify) verifyNodes(core, placement)
      } catch (error) {
        core.close()
        throw error
      }
      return core
    } catch (error) {
      if (error instanceof Aborted) throw error.reason
      const failure = toPinfoldError(error)
      failures.push(failure)
      const { code, message: reason, hint } = failure
      passedOver.push(hint === undefined ? { pages, code, reason } : { pages, code, reason, hint })
    } finally {
      release?.()
    }
  }
  throw refused(name, options.size, failures, passedOver)
}

/**
 * Looks at the counters before the kernel is asked: it promises base pages that it has not, and kills a process (or its
 * cgroup's largest) when they are touched. Looking costs 0.2 ms, more than it takes to populate a smaller region: those
 * are looked at when they have 1 MiB together. Native code tells when, and when another thread was faster.
 */
function* attempt(request: NativeRequest, wanted: WantedMemory): Generator<NativeRequest, Outcome, Outcome> {
  // Of hugetlb pages a shortage is an errno. What is adopted is there already, for the most part.
  const isForeseen = wanted.kind !== pageKind.hugetlb && request.backing !== backingKind.adopted
  let isLookedAt = isForeseen && wanted.size >= MiB
  for (;;) {
    const outcome = yield { ...request, mostAnnounced: isLookedAt ? requireMemory(wanted) : undefined }
    const isOvertaken =
      'failure' in outcome && isSystemFailure(outcome.failure) && outcome.failure.syscall === 'announce'
    if (!isOvertaken) return outcome
    isLookedAt = true
  }
}

function requestOf(
  name: string,
  size: number,
  choice: PageChoice,
  placement: Placement,
  options: CheckedRegionOptions,
  passedOver: readonly PassedOver[],
): NativeRequest {
  const { backing = 'memfd', threads, lock, guard, dump } = options
  const file = fileOf(options)
  const adoption = adoptionOf(options)
  const description: RegionDescription = { pages: choice.pages, pageSize: choice.pageSize, passedOver }
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
    nodes: Uint32Array.from(placement.nodes),
    // Beyond 8 the kernel's own locks are in the way. Native code starts no more than there are chunks.
    threads: threads ?? Math.min(8, availableParallelism()),
    mostAnnounced: undefined,
    description: JSON.stringify(description),
  }
}

/** A failed try as a typed error. Shortages are told from the kernel's counters, the rest from the call that failed. */
function explain(
  failure: unknown,
  wanted: WantedMemory,
  choice: PageChoice,
  options: CheckedRegionOptions,
): PinfoldError {
  if (!isSystemFailure(failure)) return toPinfoldError(failure)
  const { syscall } = failure
  if (ofBacking.includes(syscall)) return backingFailure(failure, choice, options)
  if (syscall === 'pthread_create') return toPinfoldError(failure)
  return explainShortage(failure, wanted)
}

function wantedOf(
  size: number,
  choice: PageChoice,
  { policy, nodes }: Placement,
  options: CheckedRegionOptions,
): WantedMemory {
  return {
    pages: size / choice.pageSize,
    pageSize: choice.pageSize,
    kind: choice.kind,
    policy,
    nodes: [...nodes],
    lock: options.lock === true && choice.kind !== pageKind.hugetlb,
    size,
    path: fileOf(options)?.file ?? '',
  }
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
