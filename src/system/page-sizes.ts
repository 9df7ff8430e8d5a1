import { native } from '../native.js'
import { listKernelDirectory, readKernelFile, readKernelNumber } from './kernel-files.js'

/** Bytes of the machine's base page, from sysconf(3): 4096, or 16384 or 65536 on some arm64 machines. */
export const basePageSize: number = native.basePageSize()

/** The name of a region's pages: 'base', 'transparent', or a hugetlb page size as formatSize writes it ('2MiB'). */
export type PagesName = 'transparent' | 'base' | (string & {})

const hugetlbRoot = '/sys/kernel/mm/hugepages'
const transparentRoot = '/sys/kernel/mm/transparent_hugepage'

/**
 * The hugetlb page sizes of this kernel in bytes, largest first; empty on a kernel without hugetlb. The hugepage pool
 * of a listed size may be empty. Source: Documentation/admin-guide/mm/hugetlbpage.rst.
 */
export function hugetlbPageSizes(): number[] {
  // The sizes are read once, since allocations need them, too, and the kernel fixes them at boot.
  pageSizes ??= parseHugetlbPageSizes(listKernelDirectory(hugetlbRoot))
  return [...pageSizes]
}
let pageSizes: readonly number[] | undefined

/** The sizes in bytes from directory names such as 'hugepages-2048kB', largest first. Other names are ignored. */
export function parseHugetlbPageSizes(names: readonly string[]): number[] {
  return names
    .map((name) => /^hugepages-(\d+)kB$/.exec(name)?.[1])
    .filter((kibibytes) => kibibytes !== undefined)
    .map((kibibytes) => Number(kibibytes) * 1024)
    .sort((one, other) => other - one)
}

/**
 * Bytes of a transparent huge page that one page-middle-directory entry maps (2 MiB on x86-64). Undefined on a kernel
 * that was built without transparent huge pages. The kernel reports the size also if their use is switched off:
 * `transparentModes` shows the switch, and MADV_COLLAPSE ignores it. It is read once, as the hugetlb sizes are. Source:
 * Documentation/admin-guide/mm/transhuge.rst, hpage_pmd_size.
 */
export function transparentPageSize(): number | undefined {
  transparent ??= { size: readKernelNumber(`${transparentRoot}/hpage_pmd_size`) }
  return transparent.size
}
let transparent: { readonly size: number | undefined } | undefined

/** The kernel's modes of transparent huge pages: each the word in brackets in its file, undefined if there is none. */
export interface TransparentModes {
  /** For anonymous memory: 'always', 'madvise' or 'never'. */
  readonly enabled: string | undefined
  /** For shared memory, also of a memfd: 'always', 'within_size', 'advise', 'never', 'deny' or 'force'. */
  readonly shmem: string | undefined
  /** How hard a page fault tries to make a huge page: 'always', 'defer', 'defer+madvise', 'madvise' or 'never'. */
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
