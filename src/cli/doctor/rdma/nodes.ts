import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { sudo } from '../../shell-command.js'
import { type Finding, finding } from '../finding.js'
import { kernelDevices, verbsNode } from './sysfs.js'

const folder = '/dev/infiniband'

/** Checks whether this user may open the devices' character devices, /dev/infiniband/uverbs*. */
export function examineNodes(): Finding {
  const nodes = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('uverbs')) : []
  const usable = nodes.filter((name) => isUsable(`${folder}/${name}`))
  const expected = kernelDevices().flatMap((device) => verbsNode(device) ?? [])
  const values = { nodes: nodes.map((name) => `${folder}/${name}`), usable: usable.map((name) => `${folder}/${name}`) }
  const absent = expected.filter((path) => !values.nodes.includes(path))
  if (absent.length > 0) {
    const seen = `${absent.join(', ')} cannot be found here: a container needs --device=${folder}`
    return finding('rdma.nodes', 'warn', seen, { values })
  }
  if (nodes.length === 0)
    return finding('rdma.nodes', 'info', `no ${folder}/uverbs*: there is no device to open`, { values })
  const refused = values.nodes.filter((path) => !values.usable.includes(path))
  if (refused.length === 0) {
    return finding('rdma.nodes', 'ok', `${values.nodes.join(', ')}: this user may open all`, { values })
  }
  return finding('rdma.nodes', 'warn', `${refused.join(', ')}: this user lacks the right to read and write`, {
    values,
    mend: `${sudo}chmod a+rw ${refused.join(' ')}`,
  })
}

export function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    // The node is absent or forbidden. In both cases it cannot be opened.
    return false
  }
}
