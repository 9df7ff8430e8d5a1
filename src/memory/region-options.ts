import * as z from 'zod'
import { checked, list, longestPath, optionsObject, signalOption, sizeOption, text } from '../options.js'
import { type PagesKind, parsePages } from './page-kinds.js'

// Schemas of options are made at their first use: otherwise importing the package would take a quarter longer.

/** The kernel has fewer kinds of pages. */
const mostPreferences = 64

const pages = z.lazy(() =>
  text(60).transform((written, context): PagesKind => {
    const kind = parsePages(written)
    if (kind !== undefined) return kind
    context.addIssue({ code: 'custom', message: "expected 'base', 'transparent' or a page size such as '2MiB'" })
    return z.NEVER
  }),
)

// MAX_NUMNODES is 2^CONFIG_NODES_SHIFT, which is at most 10 (arch/*/Kconfig).
const node = z.lazy(() => z.int().min(0).max(1023))

const numa = z.lazy(() =>
  optionsObject({
    policy: z.enum(['bind', 'prefer', 'interleave', 'local']),
    nodes: list(node, { least: 1, most: 1024, expected: 'expected an array of nodes' }).optional(),
    strict: z.boolean().optional(),
  }).refine(({ policy, nodes }) => (policy === 'local') === (nodes === undefined), {
    error: "expected nodes for 'bind', 'prefer' and 'interleave', and none for 'local'",
  }),
)

const backing = z.lazy(() =>
  z.union(
    [
      z.enum(['memfd', 'anonymous']),
      optionsObject({
        file: text(longestPath)
          .min(1)
          .regex(/^[^\0]*$/, { error: 'expected a path without a NUL in it' }),
        keep: z.boolean().optional(),
      }),
      optionsObject({
        descriptor: z
          .int()
          .min(0)
          .max(2 ** 31 - 1),
        offset: z.int().min(0).optional(),
        mayShrink: z.boolean().optional(),
      }),
    ],
    { error: "expected 'memfd', 'anonymous', { file: path on a hugetlbfs mount } or { descriptor: of shared memory }" },
  ),
)

/** The options of a region; {@link RegionOptions} documents them. */
export const regionShape = () => ({
  size: sizeOption,
  pages: z
    .union(
      [
        pages.transform((kind): readonly PagesKind[] => [kind]),
        list(pages, { least: 1, most: mostPreferences, expected: 'expected a list of kinds of pages' }),
      ],
      {
        error: "expected 'base', 'transparent', a page size such as '2MiB', or a list of these",
      },
    )
    .optional(),
  numa: numa.optional(),
  threads: z.int().min(1).max(1024).optional(),
  backing: backing.optional(),
  lock: z.boolean().optional(),
  guard: z.boolean().optional(),
  dump: z.boolean().optional(),
})
export const regionOptions = z.lazy(() => optionsObject(regionShape()))

/** Options that were checked; sizes are bytes. */
export type CheckedRegionOptions = z.output<typeof regionOptions>

/**
 * The options of a region. Unknown options are refused.
 *
 * - `size`: 1 to 2^53 - 1 bytes, or with a unit ('64MiB'). Rounded up to whole pages, see `region.size`.
 * - `pages`: a kind, or a list in order of preference: '1GiB', '2MiB' and every other hugetlb size of the machine,
 *   'transparent', 'base' (also by its size). By default the hugetlb sizes that divide `size`, largest first, then
 *   'transparent' from its huge page's size on, then 'base'. `region.passedOver` says why the region has none of the
 *   earlier kinds.
 * - `numa`: `bind` takes pages from these nodes only, `prefer` from these if it can, `interleave` from each in turn,
 *   `local` from the node of the calling thread (and takes no `nodes`). `nodes` are ids, 0 to 1023, of nodes with
 *   memory. `strict` (default true for bind, else false) makes a page from elsewhere an error; `bind` with
 *   `strict: false` is a preference for all of these nodes. See set_mempolicy(2).
 * - `threads`: how many threads populate, 1 to 1024; by default one a CPU, up to 8, and no more than one for each 8
 *   MiB.
 * - `backing`: 'memfd' (default): shared memory; 'anonymous': private to this process; or a file on a hugetlbfs mount,
 *   by whose path other processes reach it, removed when the region closes unless `keep`. An existing file must have
 *   exactly the region's size; it is neither resized nor removed, since another program owns it. In a file the default
 *   of `pages` is hugetlb sizes alone, and 'transparent' and 'base' are `ERR_UNSUPPORTED`.
 *   Or `{ descriptor, offset, mayShrink }`: memory that another program or library has made, adopted as it is, contents
 *   included. `descriptor` is a file descriptor of it, open for reading and writing: a memfd, a POSIX shared memory
 *   object, a file on a hugetlbfs or tmpfs mount. It is duplicated, so that you may close yours. The region is `size`
 *   bytes from `offset` (default 0, a multiple of the page size) on, all of which must exist. `pages` are by default
 *   those that it has. The memory is sealed against shrinking (F_SEAL_SHRINK, fcntl(2)); memory that cannot be sealed
 *   is refused unless `mayShrink`, since touching memory that was taken away is a SIGBUS.
 * - `lock`: mlock2(2), for base and transparent pages (hugetlb pages are never swapped). Default false.
 * - `guard`: an inaccessible page before and after. Default false.
 * - `dump`: contents go into core dumps. Default false (MADV_DONTDUMP).
 */
export type RegionOptions = z.input<typeof regionOptions>

/** {@link RegionOptions}, and the signal that stops the region while it is being populated. */
export type AllocateOptions = RegionOptions & { readonly signal?: AbortSignal | undefined }

const allocateOptions = z.lazy(() => optionsObject({ ...regionShape(), signal: signalOption.optional() }))

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
  const { signal, ...options } = checked('allocate', allocateOptions, given)
  return { options, signal }
}

/**
 * The name of a region: 1 to 200 printable ASCII characters without spaces or '/', so that it reads well in
 * /proc/self/maps.
 */
export const regionName = z.lazy(() =>
  z.string().regex(/^[\x21-\x2e\x30-\x7e]{1,200}$/, {
    error: "expected a name of 1 to 200 printable ASCII characters without spaces and '/'",
  }),
)
