import { availableParallelism } from 'node:os'
import { abortReason, isAborted, onAbort, throwIfAborted } from '../../abort.js'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../../errors.js'
import { backingKind, mappingFlag, type NativeRegion, type NativeRequest, native, pageKind } from '../../native.js'
import { formatSize, MiB } from '../../sizes.js'
import { descriptorShortage } from '../../system/descriptors.js'
import { formatIndexList } from '../../system/kernel-files.js'
import { nodesText, pagesText } from '../../system/texts.js'
import { readPageNodes, strayPages } from '../page-nodes.js'
import { type PassedOver, RegionCore, type RegionDescription } from '../region-core.js'
import type { CheckedRegionOptions } from '../region-options.js'
import { explainShortage, requireMemory } from '../shortage/shortage.js'
import type { Attempt } from './attempt.js'
import { adoptionOf, fileOf } from './backing.js'
import { backingFailure, ofBacking } from './backing-failure.js'
import { pageChoice, preferences } from './page-choice.js'
import { type Placement, placementOf } from './placement.js'

/** Decides whether a region may be made: the budget of its registry. */
export interface Claim {
  /**
   * Throws to refuse the attempt, or lets it pass. The function that it returns gives back what the attempt took, when
   * it fails or when its region is closed.
   */
  admit(attempt: Attempt): () => void
}

const unlimited: Claim = { admit: () => () => {} }

/** The result of one attempt. */
type Outcome = { readonly region: NativeRegion } | { readonly failure: unknown } | { readonly aborted: unknown }

/** Ends the negotiation with the reason of the signal, which may be any value. */
class Aborted {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}

/**
 * Makes a region with the first of the caller's preferences that succeeds; all or nothing. The event loop stays free.
 * The caller has checked name, options and signal.
 *
 * @throws the signal's reason when it is aborted, else PinfoldError: the error of the only preference, or an error
 *   with the code of the first that names them all
 */
export async function allocateCore(
  name: string,
  options: CheckedRegionOptions,
  signal?: AbortSignal,
  claim: Claim = unlimited,
): Promise<RegionCore> {
  const attempts = negotiate(name, options, claim)
  let step = attempts.next()
  while (!step.done) {
    let outcome: Outcome
    try {
      outcome = { region: await populate(step.value, signal) }
    } catch (failure) {
      outcome = isAborted(signal) ? { aborted: abortReason(signal) } : { failure }
    }
    step = attempts.next(outcome)
  }
  return step.value
}

/** As {@link allocateCore}; blocks this thread until every page is present. */
export function allocateCoreSync(name: string, options: CheckedRegionOptions, claim: Claim = unlimited): RegionCore {
  const attempts = negotiate(name, options, claim)
  let step = attempts.next()
  while (!step.done) {
    let outcome: Outcome
    try {
      outcome = { region: native.allocate(step.value) }
    } catch (failure) {
      outcome = { failure }
    }
    step = attempts.next(outcome)
  }
  return step.value
}

function populate(request: NativeRequest, signal: AbortSignal | undefined): Promise<NativeRegion> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal)
    let ticket: number | undefined
    const stopListening = onAbort(signal, () => {
      if (ticket !== undefined) native.cancelAllocation(ticket)
    })
    // Last: nothing may throw while the job is under way, or its region would have no owner.
    ticket = native.allocateAsync(request, (error, region) => {
      if (region === undefined) reject(error)
      else if (!isAborted(signal)) resolve(region)
      else {
        native.close(region.attachment)
        reject(abortReason(signal))
      }
      stopListening()
    })
  })
}

/** Makes one attempt after the other: yields a request for the kernel, receives its outcome, returns the region. */
function* negotiate(
  name: string,
  options: CheckedRegionOptions,
  claim: Claim,
): Generator<NativeRequest, RegionCore, Outcome> {
  const placement = explained(() => placementOf(options))
  const failures: PinfoldError[] = []
  const passedOver: PassedOver[] = []
  for (const pages of explained(() => preferences(options))) {
    let release: (() => void) | undefined
    try {
      const choice = pageChoice(pages, options)
      const size = Math.ceil(options.size / choice.bytes) * choice.bytes
      const attempt: Attempt = { size, choice, placement, options }
      release = claim.admit(attempt)
      const description = { pages: choice.name, pageSize: choice.bytes, passedOver: [...passedOver] }
      const outcome = yield* attempted(requestOf(name, attempt, description), attempt)
      if ('aborted' in outcome) throw new Aborted(outcome.aborted)
      if ('failure' in outcome) throw explain(outcome.failure, attempt)
      const core = new RegionCore(outcome.region, description)
      core.onClose(release)
      release = undefined // from here on the core calls it
      try {
        if (placement.verify) verifyNodes(core, placement)
      } catch (error) {
        core.close()
        throw error
      }
      return core
    } catch (error) {
      if (error instanceof Aborted) throw error.reason
      const failure = descriptorShortage(error) ?? toPinfoldError(error)
      failures.push(failure)
      const { code, message: reason, hint } = failure
      const { asked } = pages
      passedOver.push(hint === undefined ? { pages: asked, code, reason } : { pages: asked, code, reason, hint })
    } finally {
      release?.()
    }
  }
  throw refused(name, options.size, failures, passedOver)
}

/**
 * Checks for base and transparent pages that there is enough memory before the kernel is asked: the kernel overcommits
 * them, and kills a process (or the largest of its cgroup) when they are touched. The check takes 0.2 ms, more than it
 * takes to populate a small region: small regions are checked when they have 1 MiB together. Native code says when, and
 * when another thread has taken the memory in between.
 */
function* attempted(request: NativeRequest, attempt: Attempt): Generator<NativeRequest, Outcome, Outcome> {
  // A shortage of hugetlb pages is an errno. Most of adopted memory is there already.
  const isChecked = attempt.choice.kind !== pageKind.hugetlb && request.backing !== backingKind.adopted
  let isDue = isChecked && attempt.size >= MiB
  for (;;) {
    const outcome = yield { ...request, mostAnnounced: isDue ? requireMemory(attempt) : undefined }
    const isOvertaken =
      'failure' in outcome && isSystemFailure(outcome.failure) && outcome.failure.syscall === 'announce'
    if (!isOvertaken) return outcome
    isDue = true
  }
}

/** The attempt in the flat form of native code. */
function requestOf(
  name: string,
  { size, choice, placement, options }: Attempt,
  description: RegionDescription,
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
    nodes: Uint32Array.from(placement.nodes),
    // Beyond 8 threads the kernel's own locks are in the way. Native code starts no more threads than there are chunks.
    threads: threads ?? Math.min(8, availableParallelism()),
    mostAnnounced: undefined,
    // For other threads; the thread that makes the region keeps the object.
    description: JSON.stringify(description),
  }
}

/** Looks at the machine, whose kernel's files cannot be read without a descriptor. */
function explained<Facts>(look: () => Facts): Facts {
  try {
    return look()
  } catch (error) {
    throw descriptorShortage(error) ?? error
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
