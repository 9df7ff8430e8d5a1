import { accessSync, constants, existsSync, readFileSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { listKernelDirectory, readKernelFile } from '../../memory/kernel-files.js'
import { sudo } from '../shell-command.js'
import { type Finding, finding } from './finding.js'

const library = 'libibverbs.so.1'
/** Where dynamic loaders of the common distributions look when their cache does not know a library (ld.so(8)). */
const libraryFolders = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib', '/usr/local/lib64']
const multiarch = new Map([
  ['x64', 'x86_64-linux-gnu'],
  ['arm64', 'aarch64-linux-gnu'],
]).get(process.arch)

/** The modules that make RDMA usable from user space, and those that make a device of a network card. */
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

/** RDMA is optional: without it everything but real devices works, so nothing here fails. */
export function* examineRdma(): Iterable<Finding> {
  yield examineLibrary()
  yield examineModules()
  yield* examineDevices()
}

function examineLibrary(): Finding {
  const path = findLibrary()
  if (path === undefined) {
    const seen = 'not installed: RDMA devices cannot be used, everything else can'
    return finding('rdma.libibverbs', 'info', seen, { mend: installCommand(), values: { path: null } })
  }
  const file = realpathSync(path)
  // 1.14.44.0 is the ABI's 1.14 of rdma-core 44.
  const version = basename(file).slice('libibverbs.so.'.length)
  return finding('rdma.libibverbs', 'ok', `${path} (${version})`, { values: { path, file, version } })
}

/** Looks as the dynamic loader does, without loading: LD_LIBRARY_PATH, its cache, its default folders. */
function findLibrary(): string | undefined {
  const named = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '')
  const byDefault = multiarch === undefined ? libraryFolders : libraryFolders.map((folder) => join(folder, multiarch))
  const candidates = [...named, ...byDefault, ...libraryFolders].map((folder) => join(folder, library))
  const cached = libraryInCache('/etc/ld.so.cache')
  return [...candidates.slice(0, named.length), cached, ...candidates.slice(named.length)].find(
    (path) => path !== undefined && existsSync(path),
  )
}

/** The cache holds its paths as NUL-terminated strings. */
function libraryInCache(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  const strings = readFileSync(path, 'latin1').split('\0')
  return strings.find((text) => text.startsWith('/') && text.endsWith(`/${library}`))
}

function installCommand(): string | undefined {
  const release = readKernelFile('/etc/os-release') ?? ''
  if (/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release)) {
    return `${sudo}apt-get install -y libibverbs1 ibverbs-providers`
  }
  if (/^ID(_LIKE)?=.*(fedora|rhel|centos)/m.test(release)) return `${sudo}dnf install -y libibverbs`
  if (/^ID(_LIKE)?=.*suse/m.test(release)) return `${sudo}zypper install -y libibverbs1`
  if (/^ID=.*alpine/m.test(release)) return `${sudo}apk add rdma-core-libs`
  return undefined
}

function examineModules(): Finding {
  // A module that is built in has a folder too, where it has parameters; /proc/modules would not show it.
  const loaded = (name: string) => existsSync(`/sys/module/${name}`)
  const core = coreModules.filter(loaded)
  const drivers = driverModules.filter(loaded)
  const values = { core, drivers }
  if (core.includes('ib_uverbs')) {
    return finding('rdma.modules', 'ok', [...core, ...drivers].join(', '), { values })
  }
  const installed = existsSync(`/lib/modules/${readKernelFile('/proc/sys/kernel/osrelease')?.trim()}/kernel/drivers`)
  const seen = core.length > 0 ? `${core.join(', ')}, but not ib_uverbs` : 'none loaded'
  return installed
    ? finding('rdma.modules', 'info', seen, { mend: `${sudo}modprobe ib_uverbs`, values })
    : finding('rdma.modules', 'info', `${seen}, and this kernel has no modules to load`, { values })
}

function* examineDevices(): Iterable<Finding> {
  const root = '/sys/class/infiniband'
  const devices = listKernelDirectory(root)
  if (devices.length === 0) {
    yield finding('rdma.devices', 'info', 'none', { values: { devices } })
    return
  }
  for (const device of devices) yield examineDevice(root, device)
}

function examineDevice(root: string, device: string): Finding {
  const read = (name: string) => readKernelFile(`${root}/${device}/${name}`)?.trim()
  const ports = listKernelDirectory(`${root}/${device}/ports`).map((port) => ({
    port: Number(port),
    // '4: ACTIVE' in sysfs
    state: read(`ports/${port}/state`)?.replace(/^\d+:\s*/, ''),
    link: read(`ports/${port}/link_layer`),
    rate: read(`ports/${port}/rate`),
  }))
  const node = verbsNode(device)
  const values = { device, firmware: read('fw_ver'), node, ports }
  const states = ports.map(({ port, state, link, rate }) => `port ${port} ${state}, ${link}, ${rate}`).join('; ')
  if (node === undefined) {
    return finding(`rdma.device.${device}`, 'warn', `${states}; no uverbs node: load ib_uverbs`, {
      values,
      mend: `${sudo}modprobe ib_uverbs`,
    })
  }
  if (!isUsable(node)) {
    const seen = `${states}; ${node} is not there, or not this user's to open (a container needs --device=${node})`
    return finding(`rdma.device.${device}`, 'warn', seen, { values })
  }
  const isActive = ports.some(({ state }) => state === 'ACTIVE')
  return finding(`rdma.device.${device}`, isActive ? 'ok' : 'warn', states, { values })
}

/** The character device of an RDMA device: the kernel numbers them on their own. */
function verbsNode(device: string): string | undefined {
  const root = '/sys/class/infiniband_verbs'
  const name = listKernelDirectory(root).find((name) => readKernelFile(`${root}/${name}/ibdev`)?.trim() === device)
  return name === undefined ? undefined : `/dev/infiniband/${name}`
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    // Absent or forbidden: either way it cannot be opened, which is what was asked.
    return false
  }
}
