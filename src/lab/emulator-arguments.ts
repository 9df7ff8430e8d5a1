import { MiB } from '../sizes.js'
import { type Architecture, isOwn } from './architectures.js'
import type { CheckedLabOptions } from './lab-options.js'
import type { Program } from './parts.js'

export type Accelerator = 'kvm' | 'tcg'

/** The streams between the host and the guest, each a virtio port of that name. */
export const ports = ['control', 'stdin', 'stdout', 'stderr'] as const
export type Port = (typeof ports)[number]

/**
 * QEMU's descriptors, from 3 on. Each is one end of a socket pair without a name. This process has the other end; that
 * of a wire belongs to another machine. So nobody else can connect, and nothing is left in the file system. If one side
 * is killed, the connection is closed.
 */
const descriptors = ['log', ...ports, 'terminal'] as const
export type Descriptor = (typeof descriptors)[number]

export function descriptorOf(stream: Descriptor): number {
  return 3 + descriptors.indexOf(stream)
}

/**
 * The descriptors of a machine's wires. Machine 0 has a wire to each other machine, and every other machine has only
 * that wire.
 */
export function wireDescriptors(host: number, hosts: number): number[] {
  const first = 3 + descriptors.length
  return Array.from({ length: host === 0 ? hosts - 1 : 1 }, (_, wire) => first + wire)
}

/** The data with which a machine is started. */
export interface MachinePlan {
  readonly architecture: Architecture
  readonly emulator: Program
  readonly accelerator: Accelerator
  readonly image: string
  readonly initramfs: string
  /** A folder of programs for the guest: beneath the host's own files, or in place of its /usr. */
  readonly tools: string | undefined
  /** The frequency of the machine's timestamp counter in kHz; undefined if the guest's kernel shall measure it. */
  readonly counterKilohertz: number | undefined
  readonly host: number
  readonly options: CheckedLabOptions
  /** The folder that is $LAB_OUT; undefined for none. */
  readonly out: string | undefined
  /** Whether the command has a terminal. */
  readonly terminal: boolean
}

/** QEMU's command line (qemu-system(1)). */
export function emulatorArguments(plan: MachinePlan): string[] {
  const { architecture, emulator, accelerator, options, out, tools } = plan
  const { cpus, memory, edu } = options
  const { machine, devices } = boardOf(plan)
  return [
    ...emulator.data.flatMap((folder) => ['-L', folder]),
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-machine', machine],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi', '-cpu', architecture.cpu],
    ...['-smp', `${cpus}`, '-m', `${memory / MiB}M`],
    ...nodes(options),
    // QEMU needs the IOMMU before the devices that use it.
    ...devices.flatMap((device) => ['-device', device]),
    ...['-kernel', plan.image, '-initrd', plan.initramfs, '-append', kernelOptions(plan)],
    ...share('host', '/', true),
    ...(tools === undefined ? [] : share('tools', tools, true)),
    ...(out === undefined ? [] : share('out', out, false)),
    ...['-device', 'virtio-rng-pci'],
    ...[...stream('log'), '-serial', 'chardev:log'],
    ...['-device', 'virtio-serial-pci,max_ports=8'],
    ...ports.flatMap((port) => [...stream(port), '-device', `virtserialport,chardev=${port},name=${port}`]),
    ...(plan.terminal ? [...stream('terminal'), '-device', 'virtconsole,chardev=terminal'] : []),
    ...network(plan),
    ...(edu ? ['-device', 'edu,dma_mask=0xffffffffffff'] : []),
  ]
}

function stream(name: Descriptor): string[] {
  return ['-chardev', `socket,id=${name},fd=${descriptorOf(name)}`]
}

function boardOf({ architecture, options }: MachinePlan) {
  return options.iommu ? architecture.boardWithIommu : architecture.board
}

function kernelOptions(plan: MachinePlan): string {
  const { architecture, counterKilohertz, options, host, out, tools, terminal } = plan
  return [
    'panic=-1 quiet loglevel=3 mitigations=off random.trust_cpu=on cryptomgr.notests raid=noautodetect nomodeset audit=0',
    ...architecture.kernelOptions,
    ...(counterKilohertz === undefined ? [] : [`tsc_early_khz=${counterKilohertz}`]),
    ...boardOf(plan).kernelOptions,
    `lab.host=${host} lab.hosts=${options.hosts}`,
    ...(out === undefined ? [] : ['lab.out=1']),
    ...(tools === undefined ? [] : ['lab.tools=1']),
    ...(isOwn(architecture) ? [] : ['lab.system=1']),
    ...(terminal ? ['lab.tty=1'] : []),
  ].join(' ')
}

/** Spreads memory and processors over NUMA nodes. */
function nodes({ numa, cpus, memory }: CheckedLabOptions): string[] {
  if (numa === 1) return []
  const each = memory / numa / MiB
  return Array.from({ length: numa }, (_, node) => {
    const first = Math.floor((node * cpus) / numa)
    const last = Math.floor(((node + 1) * cpus) / numa) - 1
    return [
      ...['-object', `memory-backend-ram,id=node${node},size=${each}M`],
      ...['-numa', `node,nodeid=${node},memdev=node${node},cpus=${first}-${last}`],
    ]
  }).flat()
}

function share(tag: string, path: string, isReadOnly: boolean): string[] {
  const escaped = path.replaceAll(',', ',,')
  return [
    '-virtfs',
    `local,path=${escaped},mount_tag=${tag},security_model=none,multidevs=remap${isReadOnly ? ',readonly=on' : ''}`,
  ]
}

/**
 * All wires end in machine 0, in a hub with a port for each other machine. A single machine has a hub without other
 * ports, so that its interface is up.
 */
function network({ host, options }: MachinePlan): string[] {
  const mac = `52:54:00:50:46:${host.toString(16).padStart(2, '0')}`
  const card = ['-device', `virtio-net-pci,netdev=card,mac=${mac},romfile=`]
  const wires = wireDescriptors(host, options.hosts)
  if (host > 0) return ['-netdev', `socket,id=card,fd=${wires[0]}`, ...card]
  return [
    ...['-netdev', 'hubport,id=card,hubid=0', ...card],
    ...wires.flatMap((descriptor, wire) => [
      ...['-netdev', `socket,id=wire${wire},fd=${descriptor}`],
      ...['-netdev', `hubport,id=hub${wire},hubid=0,netdev=wire${wire}`],
    ]),
  ]
}
