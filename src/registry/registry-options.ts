import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { parsePages } from '../memory/page-kinds.js'
import { type CheckedRegionOptions, type RegionOptions, regionName, regionOptions } from '../memory/region-options.js'
import {
  boundedKeys,
  checked,
  isRecord,
  later,
  optionsObject,
  optionsOf,
  signalOption,
  sizeOption,
  table,
  text,
  tooManyKeys,
  unreadable,
} from '../options.js'
import { describe, type Size } from '../sizes.js'
import type { PagesName } from '../system/page-sizes.js'
import type { BudgetLimits } from './budget.js'
import type { LeakLevel } from './leak-detector.js'

const limit = later(() =>
  z.union([z.literal(0), sizeOption], {
    error: "expected a size in bytes, or with a unit such as '64MiB', or 0",
  }),
)

/** At most one limit for each possible NUMA node. */
const limitsByKey = later(() => table(text(100), limit, { most: 1024, expected: 'expected limits by their keys' }))
const budgetLimits = later(() =>
  optionsOf<BudgetSizes>()({
    total: z.optional(limit),
    perPageSize: z.optional(limitsByKey),
    perNode: z.optional(limitsByKey),
  }),
)

const levels = ['off', 'sampled', 'all'] as const satisfies readonly LeakLevel[]

// `budget` and `regions` are checked on their own, so that an error names the option inside. A z.record would skip a
// region that is named '__proto__'.
const registryShape = () => ({
  budget: z.optional(z.unknown()),
  regions: z.optional(z.custom<object>(isRecord, { error: 'expected regions by name' })),
  leaks: z.optional(z.enum(levels)),
})
const registryOptions = later(() => optionsObject(registryShape()))
const openOptions = later(() => optionsObject({ ...registryShape(), signal: z.optional(signalOption) }))

/**
 * Most bytes that the open regions of a registry may have together: a size for all of them, or limits by what they are
 * made of. A region counts with its whole pages, from the call of `allocate` until it is closed in the registry's
 * thread, and by `closeAsync` until its pages are the kernel's again. 0 allows none.
 */
export type BudgetOption = Size | BudgetSizes

/** The limits of a {@link BudgetOption}. A size is in bytes, or has a unit ('64MiB'). */
export interface BudgetSizes {
  /** Of all regions together. */
  readonly total?: Size | undefined
  /** By kind of pages: '1GiB', '2MiB' and other hugetlb sizes, 'transparent', 'base'. */
  readonly perPageSize?: Readonly<Record<string, Size>> | undefined
  /**
   * By the number of a NUMA node. While a region is being made, it counts against the nodes that its options name: in
   * full against each, or evenly if it is interleaved. If they name none, it counts in full against each node that this
   * process may use. Then it counts against the nodes of its pages. A region whose pages lie where the budget does not
   * allow them is closed again.
   */
  readonly perNode?: Readonly<Record<string, Size>> | undefined
}

/** The options of a registry. */
export interface RegistryOptions<Names extends string = string> {
  /** The most bytes of its open regions. Default: no limit. */
  readonly budget?: BudgetOption | undefined
  /** Regions to begin with, by name; allocated in this order, all or none. */
  readonly regions?: Readonly<Record<Names, RegionOptions>> | undefined
  /**
   * Which regions are watched for being dropped while they are open: 'off', 'sampled' (one in 128) or 'all'. A watched
   * region costs some microseconds and 1 KiB. Default: 'sampled'.
   */
  readonly leaks?: LeakLevel | undefined
}

/** {@link RegistryOptions}, and the signal that stops the regions while they are being populated. */
export interface OpenOptions<Names extends string = string> extends RegistryOptions<Names> {
  /** Stops the opening; nothing is left of the regions then. */
  readonly signal?: AbortSignal | undefined
}

/** The options, checked. */
export interface CheckedRegistryOptions {
  readonly budget: BudgetLimits
  /** In the caller's order. */
  readonly regions: ReadonlyMap<string, CheckedRegionOptions>
  readonly leaks: LeakLevel
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` that names the first wrong option; nothing has been allocated then */
export function checkedRegistryOptions(subject: string, options: RegistryOptions): CheckedRegistryOptions {
  return settingsOf(subject, checked(subject, registryOptions, options))
}

/** As {@link checkedRegistryOptions}, for a registry that a signal may stop while it opens. */
export function checkedOpenOptions(
  subject: string,
  given: OpenOptions,
): { options: CheckedRegistryOptions; signal: AbortSignal | undefined } {
  const { signal, ...options } = checked(subject, openOptions, given)
  return { options: settingsOf(subject, options), signal }
}

function settingsOf(
  subject: string,
  { budget, regions = {}, leaks = 'sampled' }: z.output<typeof registryOptions>,
): CheckedRegistryOptions {
  return { budget: budgetOf(subject, budget), regions: regionsOf(subject, regions), leaks }
}

function budgetOf(subject: string, budget: unknown): BudgetLimits {
  if (budget === undefined) return { perPageSize: new Map(), perNode: new Map() }
  const of = `${subject}: budget`
  if (typeof budget !== 'object')
    return { total: checked(of, limit, budget), perPageSize: new Map(), perNode: new Map() }
  const { total, perPageSize = new Map(), perNode = new Map() } = checked(of, budgetLimits, budget)
  return {
    total,
    perPageSize: keyed(
      `${of}: perPageSize`,
      perPageSize,
      pagesOf,
      "'base', 'transparent' or a page size such as '2MiB'",
    ),
    perNode: keyed(`${of}: perNode`, perNode, nodeOf, 'the number of a NUMA node, 0 to 1023'),
  }
}

/** The limits by the meanings of their keys. Two keys with the same meaning contradict each other, and are refused. */
function keyed<Key>(
  subject: string,
  limits: ReadonlyMap<string, number>,
  meaning: (key: string) => Key | undefined,
  expected: string,
): ReadonlyMap<Key, number> {
  const byKey = new Map<Key, number>()
  for (const [written, bytes] of limits) {
    const key = meaning(written)
    if (key === undefined || byKey.has(key)) {
      const problem = key === undefined ? `expected ${expected}` : `${key} is limited twice`
      throw new PinfoldError(`${subject}: ${problem}, received ${describe(written)}`, {
        code: 'ERR_INVALID_ARGUMENT',
        values: { key: written },
      })
    }
    byKey.set(key, bytes)
  }
  return byKey
}

/** Pages as `region.pages` names them: '2048KiB' is '2MiB', and the size of the base page is 'base'. */
function pagesOf(written: string): PagesName | undefined {
  return parsePages(written)?.name
}

// MAX_NUMNODES is 2^CONFIG_NODES_SHIFT, which is at most 10 (arch/*/Kconfig).
function nodeOf(written: string): number | undefined {
  return /^(0|[1-9]\d{0,3})$/.test(written) && Number(written) < 1024 ? Number(written) : undefined
}

function regionsOf(subject: string, regions: object): ReadonlyMap<string, CheckedRegionOptions> {
  const byName = new Map<string, CheckedRegionOptions>()
  for (const [name, options] of entriesOf(`${subject}: regions`, regions)) {
    checked(`${subject}: regions: name`, regionName, name)
    byName.set(name, checked(`${subject}: regions.${name}`, regionOptions, options))
  }
  return byName
}

/** Each region takes a mapping, of which a process may have 65,530 (vm.max_map_count). */
const mostRegions = 2 ** 16

function entriesOf(subject: string, regions: object): [string, unknown][] {
  let names: readonly string[] | undefined
  try {
    names = boundedKeys(regions, mostRegions)
    if (names !== undefined) return names.map((name) => [name, Reflect.get(regions, name)])
  } catch (error) {
    throw unreadable(subject, regions, error)
  }
  throw new PinfoldError(`${subject}: ${tooManyKeys(mostRegions)}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { regions },
  })
}
