import { existsSync } from 'node:fs'
import { listKernelDirectory, readKernelFile } from '../../system/kernel-files.js'
import { kernelOptionCommand } from '../shell-command.js'
import { type Finding, finding } from './finding.js'

const groupRoot = '/sys/kernel/iommu_groups'
const tableRoot = '/sys/firmware/acpi/tables'

/**
 * Whether devices reach memory through an IOMMU, and as what: in an `identity` domain a bus address is the physical
 * address, in a `DMA` or `DMA-FQ` domain only what a driver mapped is reachable.
 * Source: Documentation/ABI/testing/sysfs-kernel-iommu_groups.
 */
export function* examineIommu(): Iterable<Finding> {
  const units = listKernelDirectory('/sys/class/iommu')
  const groups = listKernelDirectory(groupRoot)
  const types: Record<string, number> = {}
  for (const group of groups) {
    const type = readKernelFile(`${groupRoot}/${group}/type`)?.trim() ?? 'unknown'
    types[type] = (types[type] ?? 0) + 1
  }
  const values = { units, groups: groups.length, types }
  if (groups.length > 0) {
    const domains = Object.entries(types).map(([type, count]) => `${count} ${type}`)
    const unit = units.length > 0 ? ` (${units.join(', ')})` : ''
    yield finding('iommu.groups', 'ok', `on${unit}: ${groups.length} groups, domains ${domains.join(', ')}`, { values })
    return
  }
  const [option, table] = firmwareIommu()
  const seen = 'off: devices use physical addresses, and nothing guards memory from them'
  if (option === undefined) {
    yield finding('iommu.groups', 'info', `${seen}; the firmware offers none`, { values })
    return
  }
  yield finding('iommu.groups', 'info', `${seen}; the firmware offers one (${table}): boot with ${option} iommu=pt`, {
    values,
    mend: kernelOptionCommand(`${option} iommu=pt`, 'iommu'),
  })
}

/** The kernel option that switches on the IOMMU of the ACPI table found: DMAR is Intel's, IVRS AMD's. */
function firmwareIommu(): [option: string, table: string] | [] {
  if (existsSync(`${tableRoot}/DMAR`)) return ['intel_iommu=on', 'DMAR']
  if (existsSync(`${tableRoot}/IVRS`)) return ['amd_iommu=on', 'IVRS']
  return []
}
