import * as z from 'zod/mini'
import { isAbortSignal } from '../abort.js'
import {
  addIssue,
  checked,
  isRecord,
  later,
  list,
  longestPath,
  optionsOf,
  signalOption,
  sizeOption,
  text,
} from '../options.js'
import type { Size } from '../sizes.js'
import type { PagesName } from '../system/page-sizes.js'
import { type PagesKind, parsePages } from './page-kinds.js'

// Schemas of options are made at their first use: otherwise importing the package would take a quarter longer.

/** The kernel has fewer kinds of pages. */
const mostPreferences = 64

const pages = later(() =>
  z.pipe(
    text(60),
    z.transform((written, context): PagesKind => {
      const kind = parsePages(written)
      if (kind !== undefined) return kind
      addIssue(context, "expected 'base', 'transparent' or a page size such as '2MiB'")
      return z.NEVER
    }),
  ),
)

// MAX_NUMNODES is 2^CONFIG_NODES_SHIFT, which is at most 10 (arch/*/Kconfig).
const node = later(() => z.int().check(z.minimum(0), z.maximum(1023)))

const numa = later(() =>
  optionsOf<NumaPlacement>()({
    policy: z.enum(['bind', 'prefer', 'interleave', 'local']),
    nodes: z.optional(list(node, { least: 1, most: 1024, expected: 'expected an array of nodes' })),
    strict: z.optional(z.boolean()),
  }).check(
    z.refine(({ policy, nodes }) => (policy === 'local') === (nodes === undefined), {
      error: "expected nodes for 'bind', 'prefer' and 'interleave', and none for 'local'",
    }),
  ),
)

const backing = later(() =>
  z.union(
    [
      z.enum(['memfd', 'anonymous']),
      optionsOf<FileBacking>()({
        file: text(longestPath).check(
          z.minLength(1),
          z.regex(/^[^\0]*$/, { error: 'expected a path without a NUL in it' }),
        ),
        keep: z.optional(z.boolean()),
      }),
      optionsOf<DescriptorBacking>()({
        descriptor: z.int().check(z.minimum(0), z.maximum(2 ** 31 - 1)),
        offset: z.optional(z.int().check(z.minimum(0))),
        mayShrink: z.optional(z.boolean()),
      }),
    ],
    { error: "expected 'memfd', 'anonymous', { file: path on a hugetlbfs mount } or { descriptor: of shared memory }" },
  ),
)

/** The options of a region; {@link RegionOptions} documents them. */
export const regionShape = () => ({
  size: sizeOption,
  pages: z.optional(
    z.union(
      [
        z.pipe(
          pages,
          z.transform((kind): readonly PagesKind[] => [kind]),
        ),
        list(pages, { least: 1, most: mostPreferences, expected: 'expected a list of kinds of pages' }),
      ],
      {
        error: "expected 'base', 'transparent', a page size such as '2MiB', or a list of these",
      },
    ),
  ),
  numa: z.optional(numa),
  threads: z.optional(z.int().check(z.minimum(1), z.maximum(1024))),
  backing: z.optional(backing),
  lock: z.optional(z.boolean()),
  guard: z.optional(z.boolean()),
  dump: z.optional(z.boolean()),
})
export const regionOptions = later(() => optionsOf<RegionOptions>()(regionShape()))

/** Options that were checked; sizes are bytes. */
export interface CheckedRegionOptions extends Omit<RegionOptions, 'size' | 'pages'> {
  readonly size: number
  readonly pages?: readonly PagesKind[] | undefined
}

/** The options of a region. Unknown options are refused. */
export interface RegionOptions {
  /** 1 to 2^53 - 1 bytes, or with a unit ('64MiB'). Rounded up to whole pages, see `region.size`. */
  readonly size: Size
  /**
   * A kind of pages, or a list in order of preference: '1GiB', '2MiB' and every other hugetlb size of the machine,
   * 'transparent', 'base' (also by its size). `region.passedOver` says why the region has none of the earlier kinds.
   *
   * Default: the hugetlb sizes that divide `size`, largest first, then 'transparent' from its huge page's size on, then
   * 'base'. In a file: hugetlb sizes alone. Of a descriptor: the pages that its memory has.
   */
  readonly pages?: PagesName | readonly PagesName[] | undefined
  /** The NUMA nodes of the pages. Default: the memory policy of the calling thread, see set_mempolicy(2). */
  readonly numa?: NumaPlacement | undefined
  /** How many threads populate, 1 to 1024. Default: one a CPU, up to 8, and no more than one for each 8 MiB. */
  readonly threads?: number | undefined
  /**
   * Where the memory comes from: 'memfd', shared memory; 'anonymous', private to this process; a file; or the
   * descriptor of memory that exists. Default: 'memfd'.
   */
  readonly backing?: 'memfd' | 'anonymous' | FileBacking | DescriptorBacking | undefined
  /** Whether base and transparent pages are locked by mlock2(2). Hugetlb pages are never swapped. Default: false. */
  readonly lock?: boolean | undefined
  /** Whether there is an inaccessible page before and after. Default: false. */
  readonly guard?: boolean | undefined
  /** Whether the contents go into core dumps. Default: false (MADV_DONTDUMP). */
  readonly dump?: boolean | undefined
}

/** The NUMA nodes of a region's pages. See set_mempolicy(2). */
export interface NumaPlacement {
  /**
   * - 'bind' takes pages from these nodes only.
   * - 'prefer' takes them from these nodes if it can.
   * - 'interleave' takes them from each node in turn.
   * - 'local' takes them from the node of the calling thread.
   */
  readonly policy: 'bind' | 'prefer' | 'interleave' | 'local'
  /** Ids, 0 to 1023, of nodes with memory. 'local' takes none, and the other policies need them. */
  readonly nodes?: readonly number[] | undefined
  /**
   * Whether a page from elsewhere is an error. 'bind' with `strict: false` is a preference for all of these nodes.
   * Default: true for 'bind', else false.
   */
  readonly strict?: boolean | undefined
}

/**
 * A file on a hugetlbfs mount, by whose path other processes reach the region. `pages` 'transparent' and 'base' are
 * `ERR_UNSUPPORTED` in it.
 */
export interface FileBacking {
  /**
   * The path of the file. An existing file must have exactly the region's size; it is neither resized nor removed,
   * since another program owns it.
   */
  readonly file: string
  /** Whether a file that was made for the region stays when the region closes. Default: false. */
  readonly keep?: boolean | undefined
}

/**
 * Memory that another program or library has made, adopted as it is, contents included. It is sealed against shrinking
 * (F_SEAL_SHRINK, fcntl(2)).
 */
export interface DescriptorBacking {
  /**
   * A file descriptor of the memory, open for reading and writing: a memfd, a POSIX shared memory object, a file on a
   * hugetlbfs or tmpfs mount. It is duplicated, so that you may close yours.
   */
  readonly descriptor: number
  /** Where the region starts, a multiple of the page size. All bytes of the region must exist. Default: 0. */
  readonly offset?: number | undefined
  /**
   * Whether memory that cannot be sealed is taken, too. Touching memory that was taken away is a SIGBUS. Default: false,
   * so that such memory is refused.
   */
  readonly mayShrink?: boolean | undefined
}

/** {@link RegionOptions}, and the signal that stops the region while it waits or is being populated. */
export interface AllocateOptions extends RegionOptions {
  /** Stops the allocation; nothing is left of the region then. */
  readonly signal?: AbortSignal | undefined
}

const allocateOptions = later(() =>
  optionsOf<AllocateOptions>()({ ...regionShape(), signal: z.optional(signalOption) }),
)

/** The options of one allocation, checked. The signal is not the region's. */
export interface CheckedAllocation {
  readonly options: CheckedRegionOptions
  readonly signal: AbortSignal | undefined
}

/**
 * The options of a region that is being allocated, as they are now: later changes by the caller have no effect.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function checkedAllocation(given: AllocateOptions): CheckedAllocation {
  const last = lastPlain
  if (last !== undefined) {
    let equal = 0
    const read = readPlain(given, (name, value) => last.values.get(name) === value && ++equal > 0)
    if (read !== undefined && equal === last.values.size) return { options: last.options, signal: read.signal }
  }
  const values = new Map<string, Plain>()
  const read = readPlain(given, (name, value) => values.set(name, value).size <= mostPlain)
  if (read === undefined) {
    const { signal, ...options } = checked('allocate', allocateOptions, given)
    return { options, signal }
  }
  const options = checked('allocate', regionOptions, Object.fromEntries(values))
  lastPlain = { values, options }
  return { options, signal: read.signal }
}

type Plain = string | number | boolean
const mostPlain = 16

/**
 * The last options that were plain. A program that makes many regions mostly gives all of them the same options, and a
 * check takes longer than all the rest of a call.
 */
let lastPlain: { readonly values: ReadonlyMap<string, Plain>; readonly options: CheckedRegionOptions } | undefined

/**
 * Visits the caller's options, but for the signal, if all of them are texts, numbers and truth values. Undefined if they
 * are not, if they cannot be read, or if a visit returns false: then the schema looks at them.
 */
function readPlain(
  given: unknown,
  visit: (name: string, value: Plain) => boolean,
): { readonly signal: AbortSignal | undefined } | undefined {
  let signal: AbortSignal | undefined
  try {
    if (!isRecord(given)) return undefined
    for (const name in given) {
      const value: unknown = Reflect.get(given, name)
      if (name === 'signal' && (value === undefined || isAbortSignal(value))) signal = value
      else if (!isPlain(value) || !visit(name, value)) return undefined
    }
  } catch {
    return undefined
  }
  return { signal }
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

const namePattern = /^[\x21-\x2e\x30-\x7e]{1,200}$/

/**
 * The name of a region: 1 to 200 printable ASCII characters without spaces or '/', so that it reads well in
 * /proc/self/maps.
 */
export const regionName = later(() =>
  z.string().check(
    z.regex(namePattern, {
      error: "expected a name of 1 to 200 printable ASCII characters without spaces and '/'",
    }),
  ),
)

/** Refuses a name that no region can have, at the cost of the pattern alone. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function checkedName(subject: string, name: unknown): void {
  if (typeof name !== 'string' || !namePattern.test(name)) checked(subject, regionName, name)
}
