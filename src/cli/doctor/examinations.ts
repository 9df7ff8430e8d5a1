import { PinfoldError } from '../../errors.js'
import { badArgument } from '../arguments.js'
import { type Examination, type Finding, finding } from './finding.js'

/**
 * The groups of checks, in the order in which they are reported. Each group is loaded on its own, since most groups use
 * pinfold's native part. If that part cannot be loaded, doctor still runs and reports it.
 */
const groups: Readonly<Record<string, () => Promise<Examination>>> = {
  machine: async () => (await import('./machine.js')).examineMachine,
  native: async () => (await import('./native-part.js')).examineNativePart,
  kernel: async () => (await import('./kernel-features.js')).examineKernelFeatures,
  hugepages: async () => (await import('./hugepages.js')).examineHugepages,
  thp: async () => (await import('./transparent.js')).examineTransparentPages,
  limits: async () => (await import('./limits.js')).examineLimits,
  privileges: async () => (await import('./privileges.js')).examinePrivileges,
  iommu: async () => (await import('./iommu.js')).examineIommu,
  rdma: async () => (await import('./rdma.js')).examineRdma,
}

export const examinationGroups: readonly string[] = Object.keys(groups)

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` for the name of an unknown group */
export async function examineAll(only = examinationGroups, begin: (group: string) => void = () => {}) {
  const stranger = only.find((name) => !examinationGroups.includes(name))
  if (stranger !== undefined) throw badArgument(`names of groups (${examinationGroups.join(', ')})`, stranger)
  const findings: Finding[] = []
  for (const [group, load] of Object.entries(groups)) {
    if (!only.includes(group)) continue
    begin(group)
    try {
      const examine = await load()
      for (const found of examine()) findings.push(found)
    } catch (error) {
      findings.push(failedGroup(group, error))
    }
  }
  return findings
}

/**
 * The finding about a group that could not be checked completely. Only the group `native` says why the native part is
 * missing.
 */
function failedGroup(group: string, error: unknown): Finding {
  const isLoad = error instanceof PinfoldError && error.code === 'ERR_ADDON_LOAD'
  const message = error instanceof Error ? error.message : String(error)
  const mend = error instanceof PinfoldError ? error.hint : undefined
  if (group === 'native') return finding('native.addon', 'fail', message.replaceAll('\n', ' '), { mend })
  if (isLoad) return finding(`${group}.unknown`, 'unknown', "cannot be checked without pinfold's native part")
  return finding(`${group}.unknown`, 'unknown', message.replaceAll('\n', ' '), { mend })
}
