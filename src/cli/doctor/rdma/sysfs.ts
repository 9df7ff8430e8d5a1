import { listKernelDirectory, readKernelFile } from '../../../system/kernel-files.js'

const root = '/sys/class/infiniband'
const verbsRoot = '/sys/class/infiniband_verbs'

/** A port as sysfs describes it. A value that sysfs does not tell is undefined. */
export interface SysfsPort {
  readonly port: number
  readonly state: string | undefined
  readonly link: string | undefined
  readonly rate: string | undefined
}

/** The RDMA devices that the kernel knows, whether or not a program can open them. */
export function kernelDevices(): string[] {
  return listKernelDirectory(root)
}

export function firmwareOf(device: string): string | undefined {
  return readKernelFile(`${root}/${device}/fw_ver`)?.trim()
}

export function portsOf(device: string): SysfsPort[] {
  return listKernelDirectory(`${root}/${device}/ports`).map((port) => {
    const read = (name: string) => readKernelFile(`${root}/${device}/ports/${port}/${name}`)?.trim()
    return {
      port: Number(port),
      // '4: ACTIVE' in sysfs
      state: read('state')?.replace(/^\d+:\s*/, ''),
      link: read('link_layer'),
      rate: read('rate'),
    }
  })
}

/** The character device of an RDMA device. The kernel numbers character devices independently of RDMA devices. */
export function verbsNode(device: string): string | undefined {
  const name = listKernelDirectory(verbsRoot).find(
    (name) => readKernelFile(`${verbsRoot}/${name}/ibdev`)?.trim() === device,
  )
  return name === undefined ? undefined : `/dev/infiniband/${name}`
}
