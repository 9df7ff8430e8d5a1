import { native } from '../native.js'
import { listKernelDirectory, readKernelFile, readKernelNumber } from './kernel-files.js'

/** The machine's base page in bytes, as sysconf(3) tells it: 4096, or 16384 or 65536 on some arm64. */
export const basePageSize: number = native.basePageSize()

/** What backs a region, by name: 'base', 'transparent', or a hugetlb page size as formatSize writes it ('2MiB'). */
export type PagesName = 'transparent' | 'base' | (string & {})

const hugetlbRoot = '/sys/kernel/mm/hugepages'
const transparentRoot = '/sys/kernel/mm/transparent_hugepage'

/**
 * The hugetlb page sizes of this kernel in bytes, largest first; none on a kernel without hugetlb. A size that is
 * listed may still have an empty pool. Source: Documentation/admin-guide/mm/hugetlbpage.rst.
 */
export function hugetlbPageSizes(): number[] {
  // Read once, since the kernel settles them at boot: an allocation asks for them, too.
  pageSizes ??= parseHugetlbPageSizes(listKernelDirectory(hugetlbRoot))
  return [...pageSizes]
}
let pageSizes: readonly number[] | undefined

/** The sizes in bytes that directory names such as 'hugepages-2048kB' tell, largest first; other names are passed over. */
export function parseHugetlbPageSizes(names: readonly string[]): number[] {
  return names
    .map((name) => /^hugepages-(\d+)kB$/.exec(name)?.[1])
    .filter((kibibytes) => kibibytes !== undefined)
    .map((kibibytes) => Number(kibibytes) * 1024)
    .sort((one, other) => other - one)
}

/**
 * The size in bytes of a transparent huge page that one page-middle-directory entry maps (2 MiB on x86-64), undefined
 * on a kernel built without them. It is told also where their use is switched off: `transparentModes` says so, and
 * MADV_COLLAPSE does not heed it. Source: Documentation/admin-guide/mm/transhuge.rst, hpage_pmd_size.
 */
export function transparentPageSize(): number | undefined {
  return readKernelNumber(`${transparentRoot}/hpage_pmd_size`)
}

/** How the kernel gives transparent huge pages, each as the word in brackets in its file; undefined where absent. */
export interface TransparentModes {
  /** For anonymous memory: 'always', 'madvise' or 'never'. */
  readonly enabled: string | undefined
  /** For shared memory, so also for a memfd: 'always', 'within_size', 'advise', 'never', 'deny' or 'force'. */
  readonly shmem: string | undefined
  /** How hard a fault tries to make one: 'always', 'defer', 'defer+madvise', 'madvise' or 'never'. */
  readonly defrag: string | undefined
}

export function transparentModes(): TransparentModes {
  const mode = (name: string) => parseChosen(readKernelFile(`${transparentRoot}/${name}`) ?? '')
  const size = (transparentPageSize() ?? 0) / 1024
  // Since Linux 6.8 each size has its own switch, which by default inherits the one for all sizes.
  const ofSize = (name: string) => {
    const own = mode(`hugepages-${size}kB/${name}`)
    return own === undefined || own === 'inherit' ? mode(name) : own
  }
  return { enabled: ofSize('enabled'), shmem: ofSize('shmem_enabled'), defrag: mode('defrag') }
}

/** The word in brackets: 'always [madvise] never' is 'madvise'. */
export function parseChosen(text: string): string | undefined {
  return /\[([^\]]+)\]/.exec(text)?.[1]
}
