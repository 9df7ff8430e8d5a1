import { listKernelDirectory, readKernelFile } from '../../memory/kernel-files.js'

/** What the machine says of itself, each part as its file has it. */
export interface MachineSigns {
  /** /proc/cpuinfo. On x86 the `hypervisor` flag (CPUID 1, ECX bit 31) is set for every guest. */
  readonly cpuinfo: string
  /** /sys/hypervisor/type: 'xen' in a Xen guest, and in its dom0. */
  readonly hypervisorType: string | undefined
  /** /proc/device-tree/hypervisor/compatible: 'linux,kvm' or 'xen,xen…' on arm64 and others. */
  readonly deviceTree: string | undefined
  /** Vendor and product out of the DMI table. */
  readonly dmi: string
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
  if (hypervisorType === 'xen' || deviceTree?.includes('xen')) return 'Xen'
  if (deviceTree?.includes('kvm')) return 'KVM'
  return isX86 ? 'unnamed' : undefined
}

export function readMachineSigns(): MachineSigns {
  const names = ['sys_vendor', 'product_name', 'board_vendor', 'bios_vendor']
  const present = new Set(listKernelDirectory('/sys/class/dmi/id'))
  return {
    cpuinfo: readKernelFile('/proc/cpuinfo') ?? '',
    hypervisorType: readKernelFile('/sys/hypervisor/type')?.trim(),
    deviceTree: readKernelFile('/proc/device-tree/hypervisor/compatible'),
    dmi: names.map((name) => (present.has(name) ? readKernelFile(`/sys/class/dmi/id/${name}`)?.trim() : '')).join(' '),
  }
}
