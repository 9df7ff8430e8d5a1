import { formatSize } from '../../sizes.js'
import { transparentModes, transparentPageSize } from '../../system/page-sizes.js'
import { writeCommand } from '../shell-command.js'
import { type Finding, finding } from './finding.js'

const root = '/sys/kernel/mm/transparent_hugepage'

/** Checks how the kernel gives transparent huge pages. Source: Documentation/admin-guide/mm/transhuge.rst. */
export function* examineTransparentPages(): Iterable<Finding> {
  const pageSize = transparentPageSize()
  const { enabled, shmem, defrag } = transparentModes()
  if (pageSize === undefined || enabled === undefined) {
    yield finding('thp.enabled', 'warn', 'this kernel has no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)')
    return
  }
  const values = { enabled, shmem, defrag, pageSize }
  yield enabled === 'never'
    ? finding('thp.enabled', 'warn', 'never: anonymous memory gets base pages, unless collapsed', {
        mend: writeCommand(`${root}/enabled`, 'madvise'),
        values,
      })
    : finding('thp.enabled', 'ok', `${enabled}, ${formatSize(pageSize)}, defrag ${defrag}`, { values })
  // MADV_COLLAPSE makes huge pages of a memfd in every mode except 'deny'.
  yield shmem === 'deny'
    ? finding('thp.shmem', 'warn', 'deny: a shared region gets base pages', {
        mend: writeCommand(`${root}/shmem_enabled`, 'advise'),
        values,
      })
    : finding('thp.shmem', shmem === 'never' ? 'info' : 'ok', shmemSeen(shmem), { values })
}

function shmemSeen(shmem: string | undefined): string {
  return shmem === 'never' ? 'never: a shared region gets huge pages only by MADV_COLLAPSE' : `${shmem}`
}
