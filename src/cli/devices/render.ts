import type { DeviceAttributes } from '../../rdma/contract/device-attributes.js'
import { ownCommand } from '../../system/own-command.js'
import { formatCount, type Paint, pad, renderTable } from '../output.js'
import { attributeLines, portLines } from './attributes.js'
import type { DeviceReport, DevicesReport, PortReport } from './read.js'

const labelWidth = 11

/** The words of the command line that change the text. */
export interface DevicesView {
  readonly verbose: boolean
  /** True if no device was named. */
  readonly all: boolean
}

/** A block for each device, with a blank line between them. */
export function renderDevices({ devices }: DevicesReport, paint: Paint, { verbose, all }: DevicesView): string {
  const blocks = devices.map((device) => renderDevice(device, paint, verbose))
  const isReal = devices.some(({ kind }) => kind === 'verbs')
  const advice = `no real device is here: ${ownCommand('doctor --only rdma')} tells what is missing, ${ownCommand('lab')} gives one`
  return [...blocks, ...(all && !isReal ? [paint(advice, 'dim')] : [])].join('\n\n')
}

function renderDevice(device: DeviceReport, paint: Paint, isVerbose: boolean): string {
  const { name, kind, guid, transport, nodeType, numaNode, error, attributes, forkStatus, ports } = device
  const line = (label: string, text: string) => `  ${paint(pad(label, labelWidth), 'cyan')}${text}`
  const where = [
    kind === 'loopback' ? 'in this process; every process has its own' : `${transport} ${nodeType}`,
    ...(numaNode === null ? [] : [`NUMA node ${numaNode}`]),
    ...(attributes?.firmware ? [`firmware ${attributes.firmware}`] : []),
  ]
  const lines = [`${paint(name, 'bold')}  ${where.join(', ')}`]
  if (error !== null || attributes === null || ports === null) {
    const told = [line('guid', guid), line('not usable', paint(error?.message ?? '', 'yellow'))]
    return [...lines, ...told, ...(error?.hint ? [line('', paint(`$ ${error.hint}`, 'bold'))] : [])].join('\n')
  }
  const { nodeGuid, systemImageGuid, vendorId, vendorPart, hardwareVersion } = attributes
  const image = systemImageGuid === nodeGuid ? '' : `, system image ${systemImageGuid}`
  lines.push(
    line('guid', `${guid}${image}`),
    line('vendor', `0x${vendorId.toString(16).padStart(4, '0')}, part ${vendorPart}, hardware ${hardwareVersion}`),
    ...describeOnDemand(attributes.onDemand).map((text, index) => line(index === 0 ? 'on demand' : '', text)),
    line('fork', forkNotes[forkStatus ?? 'unknown']),
  )
  if (isVerbose) lines.push(renderPairs(attributeLines(attributes), paint))
  for (const port of ports) lines.push(renderPort(port, line, paint, isVerbose))
  return lines.join('\n')
}

/** The effect of a fork of this process on registered memory. Regions are kept out of forks in any case. */
const forkNotes = {
  enabled: 'enabled: registered memory survives a fork of the process',
  disabled:
    'disabled: only regions are safe in a process that forks; ibv_fork_init or RDMAV_FORK_SAFE protects the rest',
  unneeded: 'unneeded: a fork takes no pinned page away from this process',
  unknown: 'unknown: this libibverbs is too old to tell; regions are safe',
} as const

function describeOnDemand({ supported, implicit, rc, uc, ud }: DeviceAttributes['onDemand']): string[] {
  if (!supported) return ['no']
  const kinds = [
    ['RC', rc],
    ['UC', uc],
    ['UD', ud],
  ] as const
  const told = kinds.filter(([, operations]) => operations.length > 0)
  return [
    ...told.map(([type, operations]) => `${type}: ${operations.join(', ')}`),
    ...(implicit ? ['also for the whole address space at once'] : []),
  ]
}

function renderPort(
  port: PortReport,
  line: (label: string, text: string) => string,
  paint: Paint,
  isVerbose: boolean,
): string {
  const { state, linkLayer, gigabits, activeMtu, maxMtu, lid, subnetManagerLid, lidMaskControl } = port
  const isInfiniBand = linkLayer === 'InfiniBand'
  const parts = [
    paint(state, state === 'ACTIVE' ? 'green' : 'yellow'),
    linkLayer,
    ...(gigabits > 0 ? [`${formatCount(gigabits)} Gbit/s`] : []),
    `MTU ${activeMtu}${activeMtu === maxMtu ? '' : ` of ${maxMtu}`}`,
    ...(isInfiniBand ? [`LID ${lid}/${lidMaskControl}, subnet manager ${subnetManagerLid}`] : []),
  ]
  return [
    line(`port ${port.port}`, parts.join(', ')),
    ...(isVerbose ? [renderPairs(portLines(port), paint)] : []),
    renderGids(port, paint),
  ].join('\n')
}

function renderGids({ gidTable, bestGid }: PortReport, paint: Paint): string {
  const indent = ' '.repeat(labelWidth + 2)
  if (gidTable.length === 0) return `${indent}${paint('no GID: bring the network interface of this port up', 'yellow')}`
  const rows = gidTable.map(({ index, gid, type, interface: name }) => [
    `${index}`,
    gid,
    type,
    name ?? '-',
    index === bestGid ? 'used by default' : '',
  ])
  const columns = [{ title: 'gid', align: 'right' }, { title: 'address' }, { title: 'type' }] as const
  return renderTable([...columns, { title: 'interface' }, { title: '' }], rows, paint, indent)
}

function renderPairs(pairs: readonly (readonly [name: string, value: string])[], paint: Paint): string {
  const widest = Math.max(...pairs.map(([name]) => name.length))
  const indent = ' '.repeat(labelWidth + 2)
  return pairs.map(([name, value]) => `${indent}${paint(pad(name, widest), 'dim')}  ${value}`).join('\n')
}
