import { machine, release } from 'node:os'
import { formatSize } from '../../sizes.js'
import { formatIndexList, readKernelFile } from '../../system/kernel-files.js'
import { allowedNodes, hasNuma, numaNodes } from '../../system/numa.js'
import { type Finding, finding } from './finding.js'
import { detectVirtualMachine, readMachineSigns } from './virtual-machine.js'

/** Checks the machine itself. Nothing here needs pinfold's native part. */
export function* examineMachine(): Iterable<Finding> {
  yield examineKernel()
  yield examineVirtualMachine()
  yield examineNodes()
}

/** The oldest kernel with MADV_POPULATE_WRITE (madvise(2)). With it, a shortage is an error and never a SIGBUS. */
const oldestKernel = [5, 14] as const

function examineKernel(): Finding {
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10))
  const isOldEnough = major > oldestKernel[0] || (major === oldestKernel[0] && minor >= oldestKernel[1])
  const seen = `Linux ${release()}, ${machine()}`
  const values = { release: release(), arch: machine(), commandLine: readKernelFile('/proc/cmdline')?.trim() }
  return isOldEnough
    ? finding('machine.kernel', 'ok', seen, { values })
    : finding('machine.kernel', 'fail', `${seen}: pinfold needs ${oldestKernel.join('.')} or newer`, { values })
}

function examineVirtualMachine(): Finding {
  const name = detectVirtualMachine(readMachineSigns())
  if (name === undefined) return finding('machine.virtual', 'ok', 'no: bare metal', { values: { name: null } })
  const what = name === 'unnamed' ? 'a virtual machine' : `a virtual machine (${name})`
  return finding('machine.virtual', 'info', `${what}: physical addresses are the guest's, not the host's`, {
    values: { name },
  })
}

function examineNodes(): Finding {
  const nodes = numaNodes().map(({ id, cpus, memoryBytes, freeBytes, distances }) => ({
    node: id,
    cpus: formatIndexList(cpus),
    memory: memoryBytes,
    free: freeBytes,
    distances,
  }))
  const allowed = allowedNodes()
  const values = { kernelHasNuma: hasNuma(), nodes, allowed }
  const seen = nodes.map(({ node, cpus, memory, free }) => {
    const share = memory === 0 ? 'no memory' : `${formatSize(memory)}, ${formatSize(free)} free`
    return `node ${node}: ${share}, ${cpus === '' ? 'no CPUs' : `CPUs ${cpus}`}`
  })
  const shut = nodes.filter(({ node, memory }) => memory > 0 && !allowed.includes(node))
  if (shut.length > 0) {
    const list = formatIndexList(shut.map(({ node }) => node))
    return finding('machine.numa', 'warn', `${seen.join('; ')}; this process's cpuset excludes node ${list}`, {
      values,
    })
  }
  return finding('machine.numa', 'ok', seen.join('; '), { values })
}
