import { formatSize } from '../../sizes.js'
import { addonPath } from '../../system/native-part.js'
import { basePageSize } from '../../system/page-sizes.js'
import { type Finding, finding } from './finding.js'

/**
 * Reports the native part. This file can only be loaded if the addon can; otherwise examinations.ts reports the
 * problem.
 */
export function* examineNativePart(): Iterable<Finding> {
  const { napi = '', modules } = process.versions
  const chosen = process.env.PINFOLD_ADDON === addonPath
  const seen = `${addonPath}${chosen ? ', named by PINFOLD_ADDON' : ''} (Node ${process.version}, Node-API ${napi})`
  yield finding('native.addon', 'ok', seen, {
    values: { path: addonPath, chosen, node: process.version, nodeApi: Number(napi), modules },
  })
  yield finding('native.page-size', 'ok', `base pages of ${formatSize(basePageSize)}`, { values: { basePageSize } })
}
