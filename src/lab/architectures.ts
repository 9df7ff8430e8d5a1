import { arch } from 'node:os'

/** The processors that a machine of the lab can have, by Node's names of them. */
export const architectureNames = ['x64', 'arm64'] as const
export type ArchitectureName = (typeof architectureNames)[number]

/** The parts of QEMU's and the kernel's command lines that depend on the IOMMU. */
interface Board {
  /** QEMU's -machine. */
  readonly machine: string
  /** Devices that must come before all others. */
  readonly devices: readonly string[]
  readonly kernelOptions: readonly string[]
}

/** All that differs between machines with one processor and machines with another. */
export interface Architecture {
  readonly name: ArchitectureName
  /** Debian's name, in packages and in the releases of kernels. */
  readonly debian: string
  readonly emulator: {
    readonly program: string
    /** The package that contains it. */
    readonly package: string
    /**
     * Packages whose files QEMU looks for beside itself, so they are fetched although another QEMU of this machine may
     * have installed them. Those that a version of Debian lacks are left out.
     */
    readonly ownFiles: readonly string[]
    /** The command that installs it on a machine without apt. */
    readonly hint: string
  }
  /** The packages that depend on the newest kernel: one of Debian, one of Ubuntu. */
  readonly kernelPackages: readonly string[]
  readonly cpu: string
  readonly kernelOptions: readonly string[]
  readonly board: Board
  readonly boardWithIommu: Board
}

const x64: Architecture = {
  name: 'x64',
  debian: 'amd64',
  emulator: {
    program: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    ownFiles: ['qemu-system-common', 'qemu-system-data', 'seabios', 'ipxe-qemu'],
    hint: 'install QEMU for x86-64 (Fedora: dnf install qemu-system-x86-core)',
  },
  kernelPackages: ['linux-image-amd64', 'linux-image-generic'],
  cpu: 'max',
  kernelOptions: ['console=ttyS0', 'tsc=reliable', 'no_timer_check'],
  board: { machine: 'q35,kernel-irqchip=on,usb=off,smbus=off,vmport=off', devices: [], kernelOptions: [] },
  boardWithIommu: {
    machine: 'q35,kernel-irqchip=split,usb=off,smbus=off,vmport=off',
    devices: ['intel-iommu,intremap=on,caching-mode=on'],
    kernelOptions: ['intel_iommu=on'],
  },
}

const arm64: Architecture = {
  name: 'arm64',
  debian: 'arm64',
  emulator: {
    program: 'qemu-system-aarch64',
    package: 'qemu-system-arm',
    ownFiles: ['qemu-system-common', 'qemu-system-data'],
    hint: 'install QEMU for arm64 (Fedora: dnf install qemu-system-aarch64-core)',
  },
  kernelPackages: ['linux-image-arm64'],
  // The signatures of pointers are made by a quick function of QEMU's own. The standard one takes half of all time.
  cpu: 'max,pauth-impdef=on',
  kernelOptions: ['console=ttyAMA0'],
  board: { machine: 'virt,gic-version=3', devices: [], kernelOptions: [] },
  boardWithIommu: { machine: 'virt,gic-version=3,iommu=smmuv3', devices: [], kernelOptions: [] },
}

const architectures: Readonly<Record<ArchitectureName, Architecture>> = { x64, arm64 }

/** @param name - undefined for that of this machine */
export function architectureOf(name: ArchitectureName | undefined): Architecture {
  return architectures[name ?? (arch() === 'arm64' ? 'arm64' : 'x64')]
}

/** True if this machine's own processor can run the programs of that one. */
export function isOwn({ name }: Architecture): boolean {
  return name === arch()
}
