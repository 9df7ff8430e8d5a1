import { existsSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { readKernelFile } from '../../../system/kernel-files.js'
import { quoteWords, sudo } from '../../shell-command.js'
import { type Finding, finding } from '../finding.js'
import { kernelDevices } from './sysfs.js'

/** The modules that make RDMA usable from user space, and the drivers that make an RDMA device of a network card. */
const coreModules = ['ib_core', 'ib_uverbs', 'rdma_cm', 'rdma_ucm']
const driverModules = [
  'mlx5_ib',
  'mlx4_ib',
  'irdma',
  'bnxt_re',
  'efa',
  'hns_roce',
  'mana_ib',
  'erdma',
  'rdma_rxe',
  'siw',
]

/**
 * Checks which of the kernel's RDMA modules are loaded. If there is no device, it shows how Soft-RoCE makes one of a
 * network interface.
 */
export function examineModules(): Finding {
  // A built-in module has a folder, too, if it has parameters. /proc/modules would not list it.
  const loaded = (name: string) => existsSync(`/sys/module/${name}`)
  const core = coreModules.filter(loaded)
  const drivers = driverModules.filter(loaded)
  const soft = findModule('rdma_rxe')
  const values = { core, drivers, softRoce: loaded('rdma_rxe') || soft }
  const seen = core.length + drivers.length > 0 ? [...core, ...drivers].join(', ') : 'none loaded'
  if (kernelDevices().length > 0 && core.includes('ib_uverbs')) {
    return finding('rdma.modules', 'ok', seen, { values })
  }
  if (kernelDevices().length > 0) {
    return finding('rdma.modules', 'warn', `${seen}, but not ib_uverbs`, { mend: `${sudo}modprobe ib_uverbs`, values })
  }
  if (values.softRoce) {
    return finding('rdma.modules', 'info', `${seen}; Soft-RoCE can make a device of a network interface`, {
      mend: softRoceCommand(),
      values,
    })
  }
  return finding('rdma.modules', 'info', `${seen}, and this kernel has no rdma_rxe to load`, { values })
}

/** True if a module can be loaded. modules.dep contains the path of each module, with any kind of compression. */
function findModule(name: string): boolean {
  const release = readKernelFile('/proc/sys/kernel/osrelease')?.trim()
  const list = `/lib/modules/${release}/modules.dep`
  return existsSync(list) && new RegExp(`/${name}\\.ko[^/:]*:`).test(readKernelFile(list) ?? '')
}

function softRoceCommand(): string {
  const interfaces = Object.entries(networkInterfaces())
  const [name = 'eth0'] = interfaces.find(([, addresses]) => addresses?.some(({ internal }) => !internal)) ?? []
  return `${sudo}modprobe rdma_rxe && ${sudo}${quoteWords(['rdma', 'link', 'add', 'rxe0', 'type', 'rxe', 'netdev', name])}`
}
