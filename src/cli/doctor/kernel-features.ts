import { type KernelFeatures, kernelFeatures } from '../../system/kernel-features.js'
import { type Finding, type FindingStatus, finding } from './finding.js'

interface FeatureCheck {
  readonly feature: keyof KernelFeatures
  readonly id: string
  /** The kernel's own name for the feature. */
  readonly name: string
  /** The use that pinfold makes of it. */
  readonly use: string
  /** The kernel release and the build option that it needs, or one of them. */
  readonly since: string
  /** The status of the finding if the feature is absent. */
  readonly absent: FindingStatus
}

const checks: readonly FeatureCheck[] = [
  {
    feature: 'populateWrite',
    id: 'kernel.populate-write',
    name: 'MADV_POPULATE_WRITE',
    use: 'an error in place of a SIGBUS when memory is short',
    since: 'Linux 5.14',
    absent: 'fail',
  },
  {
    feature: 'collapse',
    id: 'kernel.collapse',
    name: 'MADV_COLLAPSE',
    use: 'transparent pages for shared regions',
    since: 'Linux 6.1',
    absent: 'warn',
  },
  {
    feature: 'memfdHugetlb',
    id: 'kernel.memfd-hugetlb',
    name: 'MFD_HUGETLB',
    use: 'hugetlb regions that can be shared, without a mount',
    since: 'Linux 4.14 with CONFIG_HUGETLBFS',
    absent: 'warn',
  },
  {
    feature: 'memfdNoexec',
    id: 'kernel.memfd-noexec',
    name: 'MFD_NOEXEC_SEAL',
    use: 'regions that can never be executed',
    since: 'Linux 6.3',
    absent: 'info',
  },
  {
    feature: 'anonymousName',
    id: 'kernel.anonymous-name',
    name: 'PR_SET_VMA_ANON_NAME',
    use: 'names of anonymous regions in /proc/PID/maps',
    since: 'Linux 5.17 with CONFIG_ANON_VMA_NAME',
    absent: 'info',
  },
  {
    feature: 'numaPolicy',
    id: 'kernel.numa-policy',
    name: 'mbind',
    use: 'NUMA placement',
    since: 'CONFIG_NUMA',
    absent: 'info',
  },
  {
    feature: 'preferredMany',
    id: 'kernel.preferred-many',
    name: 'MPOL_PREFERRED_MANY',
    use: 'a preference for several nodes',
    since: 'Linux 5.15 with CONFIG_NUMA',
    absent: 'info',
  },
]

/**
 * Checks the kernel features that pinfold uses, by trying each. There is no command to repair a missing feature: it
 * needs another kernel.
 */
export function* examineKernelFeatures(): Iterable<Finding> {
  const found = kernelFeatures()
  for (const { feature, id, name, use, since, absent } of checks) {
    const values = { feature: name, available: found[feature] }
    yield found[feature]
      ? finding(id, 'ok', `${name}: ${use}`, { values })
      : finding(id, absent, `no ${name} (needs ${since}); pinfold uses it for: ${use}`, { values })
  }
}
