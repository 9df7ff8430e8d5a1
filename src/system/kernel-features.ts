import { native } from '../native.js'

/** Features of the kernel that pinfold uses if they exist. They are found by trying, not by the kernel's version. */
export interface KernelFeatures {
  /** MADV_POPULATE_WRITE (Linux 5.14), which reports a shortage as an error, never as a SIGBUS. */
  readonly populateWrite: boolean
  /** MADV_COLLAPSE (Linux 6.1), which makes transparent pages of a memfd in every mode (`TransparentModes`). */
  readonly collapse: boolean
  /** memfd_create(2) with MFD_HUGETLB (Linux 4.14, CONFIG_HUGETLBFS). */
  readonly memfdHugetlb: boolean
  /** MFD_NOEXEC_SEAL (Linux 6.3). */
  readonly memfdNoexec: boolean
  /** PR_SET_VMA_ANON_NAME (Linux 5.17, CONFIG_ANON_VMA_NAME). */
  readonly anonymousName: boolean
  /** mbind(2) (CONFIG_NUMA). */
  readonly numaPolicy: boolean
  /** MPOL_PREFERRED_MANY (Linux 5.15). */
  readonly preferredMany: boolean
}

/** Tries the features on a page that is mapped for this. It costs microseconds. */
export function kernelFeatures(): KernelFeatures {
  const found = native.probeFeatures()
  const has = (name: keyof KernelFeatures) => found[name] === true
  return {
    populateWrite: has('populateWrite'),
    collapse: has('collapse'),
    memfdHugetlb: has('memfdHugetlb'),
    memfdNoexec: has('memfdNoexec'),
    anonymousName: has('anonymousName'),
    numaPolicy: has('numaPolicy'),
    preferredMany: has('preferredMany'),
  }
}
