import { listKernelDirectory, readKernelFile } from '../../system/kernel-files.js'

/** The facts by which a virtual machine is recognized. Each is the content of a kernel file. */
export interface MachineSigns {
  /** /proc/cpuinfo. On x86 the `hypervisor` flag (CPUID 1, ECX bit 31) is set for every guest. */
  readonly cpuinfo: string
  /** /sys/hypervisor/type: 'xen' in a Xen guest, and in its dom0. */
  readonly hypervisorType: string | undefined
  /** The facts of the firmware on machines that have a device tree: arm64 and others. */
  readonly deviceTree: DeviceTreeSigns
  /** Vendor and product from the DMI table. */
  readonly dmi: string
}

/** The facts in /proc/device-tree. They are undefined or empty if the machine has no such tree. */
export interface DeviceTreeSigns {
  /** hypervisor/compatible: 'linux,kvm', 'xen,xen-4.17', 'vmware'. */
  readonly hypervisor: string | undefined
  /**
   * compatible: the kinds of the machine, the most specific first. 'linux,dummy-virt' is a virtual machine of QEMU,
   * kvmtool, crosvm and others.
   */
  readonly machine: readonly string[]
  /**
   * The names at the root of the tree. 'fw-cfg@9020000' is the interface by which QEMU passes files to the firmware.
   */
  readonly nodes: readonly string[]
  /** True if the PowerPC firmware names a partition (ibm,partition-name), and not QEMU. */
  readonly isPowerPartition: boolean
}

/** Names that the firmware of virtual machines puts into its DMI table, and their meanings (systemd-detect-virt(1)). */
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
 * The name of the virtual machine; 'unnamed' if its name is not known, undefined on bare metal.
 *
 * On x86 the processor's flag decides, and the other facts give the name. A cloud's bare-metal machine contains the
 * cloud's DMI names, too. Other processors have no such flag, so that only the device tree and the DMI names can tell.
 */
export function detectVirtualMachine({ cpuinfo, hypervisorType, deviceTree, dmi }: MachineSigns): string | undefined {
  const isX86 = /^flags\s*:/m.test(cpuinfo)
  if (isX86 && !/^flags\s*:.*\bhypervisor\b/m.test(cpuinfo)) return undefined
  const named = dmiNames.find(([pattern]) => pattern.test(dmi))?.[1]
  if (named !== undefined) return named
  if (hypervisorType === 'xen') return 'Xen'
  return ofDeviceTree(deviceTree) ?? (isX86 ? 'unnamed' : undefined)
}

/** The order and the names are those of systemd's detect_vm_device_tree (src/basic/virt.c). */
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

/** @param root the folder that contains /proc and /sys; '' is this machine's root */
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

/** Reads a device tree. A property is a file, in which each string ends with a zero byte. A node is a folder. */
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
