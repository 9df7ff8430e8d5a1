import { listKernelDirectory, readKernelFile } from '../../system/kernel-files.js'

/** What the machine says of itself, each part as its file has it. */
export interface MachineSigns {
  /** /proc/cpuinfo. On x86 the `hypervisor` flag (CPUID 1, ECX bit 31) is set for every guest. */
  readonly cpuinfo: string
  /** /sys/hypervisor/type: 'xen' in a Xen guest, and in its dom0. */
  readonly hypervisorType: string | undefined
  /** What the firmware says on machines that have a device tree: arm64 and others. */
  readonly deviceTree: DeviceTreeSigns
  /** Vendor and product out of the DMI table. */
  readonly dmi: string
}

/** What /proc/device-tree says; undefined and none where the machine has no such tree. */
export interface DeviceTreeSigns {
  /** hypervisor/compatible: 'linux,kvm', 'xen,xen-4.17', 'vmware'. */
  readonly hypervisor: string | undefined
  /**
   * compatible: the machine's own kind, the most particular first; 'linux,dummy-virt' is a virtual one
   * of QEMU, kvmtool, crosvm and others.
   */
  readonly machine: readonly string[]
  /** The names at the root: 'fw-cfg@9020000' is how QEMU's firmware hands files in. */
  readonly nodes: readonly string[]
  /** Whether the PowerPC firmware tells of a partition (ibm,partition-name) and not of QEMU. */
  readonly isPowerPartition: boolean
}

/** Names that firmware of virtual machines puts into its DMI table, with what they mean (systemd-detect-virt(1)). */
const dmiNames: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/Amazon EC2/, 'Amazon EC2'],
  [/Google Compute Engine/, 'Google Compute Engine'],
  [/OpenStack/, 'OpenStack'],
  [/KVM|QEMU|Bochs/, 'QEMU'],
  [/VMware|VMW/, 'VMware'],
  [/VirtualBox|innotek/, 'VirtualBox'],
  [/Xen/, 'Xen'],
  [/Microsoft Corporation.*Virtual Machine/, 'Hyper-V'],
  [/Parallels/, 'Parallels'],
  [/BHYVE/, 'bhyve'],
  [/Apple Virtualization/, 'Apple Virtualization'],
]

/**
 * Which virtual machine this is: a name, 'unnamed' when only the processor says so, undefined on bare metal.
 *
 * On x86 the processor's flag decides and the rest gives the name, since a bare-metal cloud machine carries the cloud's
 * DMI names as well; elsewhere the device tree or the DMI name is all there is.
 */
export function detectVirtualMachine({ cpuinfo, hypervisorType, deviceTree, dmi }: MachineSigns): string | undefined {
  const isX86 = /^flags\s*:/m.test(cpuinfo)
  if (isX86 && !/^flags\s*:.*\bhypervisor\b/m.test(cpuinfo)) return undefined
  const named = dmiNames.find(([pattern]) => pattern.test(dmi))?.[1]
  if (named !== undefined) return named
  if (hypervisorType === 'xen') return 'Xen'
  return ofDeviceTree(deviceTree) ?? (isX86 ? 'unnamed' : undefined)
}

/** In the order and by the names of systemd's detect_vm_device_tree (src/basic/virt.c). */
function ofDeviceTree({ hypervisor, machine, nodes, isPowerPartition }: DeviceTreeSigns): string | undefined {
  if (hypervisor !== undefined) {
    if (hypervisor.includes('xen')) return 'Xen'
    if (hypervisor.includes('kvm')) return 'KVM'
    if (hypervisor.includes('vmware')) return 'VMware'
    return 'unnamed'
  }
  if (isPowerPartition) return 'PowerVM'
  if (nodes.some((name) => name.includes('fw-cfg'))) return 'QEMU'
  if (machine.includes('qemu,pseries')) return 'QEMU'
  return machine.includes('linux,dummy-virt') ? 'unnamed' : undefined
}

/** @param root the folder that has /proc and /sys; '' is this machine's */
export function readMachineSigns(root = ''): MachineSigns {
  const names = ['sys_vendor', 'product_name', 'board_vendor', 'bios_vendor']
  const dmi = `${root}/sys/class/dmi/id`
  const present = new Set(listKernelDirectory(dmi))
  return {
    cpuinfo: readKernelFile(`${root}/proc/cpuinfo`) ?? '',
    hypervisorType: readKernelFile(`${root}/sys/hypervisor/type`)?.trim(),
    deviceTree: readDeviceTree(`${root}/proc/device-tree`),
    dmi: names.map((name) => (present.has(name) ? readKernelFile(`${dmi}/${name}`)?.trim() : '')).join(' '),
  }
}

/** A property is a file, its strings end with a zero each; a node is a folder. */
function readDeviceTree(tree: string): DeviceTreeSigns {
  const strings = (name: string) => (readKernelFile(`${tree}/${name}`) ?? '').split('\0').filter((part) => part !== '')
  const nodes = listKernelDirectory(tree)
  const isPartition = nodes.includes('ibm,partition-name') && nodes.includes('hmc-managed?')
  const isQemu = listKernelDirectory(`${tree}/chosen`).includes('qemu,graphic-width')
  return {
    hypervisor: strings('hypervisor/compatible')[0],
    machine: strings('compatible'),
    nodes,
    isPowerPartition: isPartition && !isQemu,
  }
}
