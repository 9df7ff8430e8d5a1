import { type KernelFeatures, kernelFeatures } from '../../system/kernel-features.js'
import { type Finding, type FindingStatus, finding } from './finding.js'

interface FeatureCheck {
  readonly feature: keyof KernelFeatures
  readonly id: string
  /** The kernel's own name of it. */
  readonly name: string
  /** What pinfold does with it. */
  readonly use: string
  /** Where it comes from: the release, and the build option where there is one. */
  readonly since: string
  /** What its absence means. */
  readonly absent: FindingStatus
}

const checks: readonly FeatureCheck[] = [
  {
    feature: 'populateWrite',
    id: 'kernel.populate-write',
    name: 'MADV_POPULATE_WRITE',
    use: 'a shortage is an error, never a SIGBUS',
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

/** The kernel features that pinfold uses, each tried. No command mends their absence: another kernel does. */
export function* examineKernelFeatures(): Iterable<Finding> {
  const found = kernelFeatures()
  for (const { feature, id, name, use, since, absent } of checks) {
    const values = { feature: name, available: found[feature] }
    yield found[feature]
      ? finding(id, 'ok', `${name}: ${use}`, { values })
      : finding(id, absent, `no ${name} (${since}), so not: ${use}`, { values })
  }
}
