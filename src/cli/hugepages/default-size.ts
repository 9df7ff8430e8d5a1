import { readKernelFile } from '../../system/kernel-files.js'

/**
 * The default hugepage size in bytes. It is set at boot (default_hugepagesz), and vm.nr_hugepages counts pages of this
 * size. Undefined on a kernel without hugetlb. Source: proc_meminfo(5), Hugepagesize.
 */
export function defaultHugepageSize(): number | undefined {
  const kibibytes = /^Hugepagesize:\s+(\d+) kB/m.exec(readKernelFile('/proc/meminfo') ?? '')?.[1]
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
}
