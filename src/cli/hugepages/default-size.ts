import { readKernelFile } from '../../system/kernel-files.js'

/**
 * The default hugepage size in bytes: the one that vm.nr_hugepages counts, settled at boot (default_hugepagesz). Source:
 * proc_meminfo(5), Hugepagesize. undefined on a kernel without hugetlb.
 */
export function defaultHugepageSize(): number | undefined {
  const kibibytes = /^Hugepagesize:\s+(\d+) kB/m.exec(readKernelFile('/proc/meminfo') ?? '')?.[1]
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
}
