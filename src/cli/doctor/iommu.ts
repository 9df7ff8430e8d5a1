import { existsSync } from 'node:fs'
import { listKernelDirectory, readKernelFile } from '../../system/kernel-files.js'
import { kernelOptionCommand } from '../shell-command.js'
import { type Finding, finding } from './finding.js'

const groupRoot = '/sys/kernel/iommu_groups'
const tableRoot = '/sys/firmware/acpi/tables'

/**
 * Checks whether devices reach memory through an IOMMU, and in which kinds of domains. In an `identity` domain, a bus
 * address is the physical address. In a `DMA` or `DMA-FQ` domain, only memory that a driver mapped can be reached.
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
    yield finding(
      'iommu.groups',
      'ok',
      `on${unit}: ${groups.length} ${groups.length === 1 ? 'group' : 'groups'}, domains ${domains.join(', ')}`,
      { values },
    )
    return
  }
  const [option, table] = firmwareIommu()
  const seen = 'off: devices use physical addresses, and nothing protects memory from them'
  if (option === undefined) {
    yield finding('iommu.groups', 'info', `${seen}; the firmware offers no IOMMU`, { values })
    return
  }
  yield finding(
    'iommu.groups',
    'info',
    `${seen}; the firmware offers an IOMMU (${table}): boot with ${option} iommu=pt`,
    {
      values,
      mend: kernelOptionCommand(`${option} iommu=pt`, 'iommu'),
    },
  )
}

/**
 * The kernel option that switches the machine's IOMMU on, and the ACPI table that announces the IOMMU: DMAR is Intel's,
 * IVRS is AMD's.
 */
function firmwareIommu(): [option: string, table: string] | [] {
  if (existsSync(`${tableRoot}/DMAR`)) return ['intel_iommu=on', 'DMAR']
  if (existsSync(`${tableRoot}/IVRS`)) return ['amd_iommu=on', 'IVRS']
  return []
}
