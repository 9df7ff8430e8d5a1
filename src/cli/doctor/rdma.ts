import type { Finding } from './finding.js'
import { examineDevices } from './rdma/devices.js'
import { examineLab } from './rdma/lab.js'
import { examineLibrary } from './rdma/library.js'
import { examineMemlock } from './rdma/memlock.js'
import { examineModules } from './rdma/modules.js'
import { examineNodes } from './rdma/nodes.js'

/**
 * Checks RDMA. RDMA is optional: without it everything except real devices works, the loopback included. So no finding
 * here is a `fail`.
 */
export function* examineRdma(): Iterable<Finding> {
  yield examineLibrary()
  yield examineModules()
  yield examineNodes()
  yield examineMemlock()
  yield* examineDevices()
  yield examineLab()
}
