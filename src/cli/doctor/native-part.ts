import { formatSize } from '../../sizes.js'
import { basePageSize } from '../../system/page-sizes.js'
import { type Finding, finding } from './finding.js'

/**
 * Reports the native part. This file can only be loaded if the addon can; otherwise examinations.ts reports the
 * problem.
 */
export function* examineNativePart(): Iterable<Finding> {
  const { napi = '', modules } = process.versions
  yield finding('native.addon', 'ok', `loaded: Node ${process.version}, Node-API ${napi}`, {
    values: { node: process.version, nodeApi: Number(napi), modules },
  })
  yield finding('native.page-size', 'ok', `base pages of ${formatSize(basePageSize)}`, { values: { basePageSize } })
}
