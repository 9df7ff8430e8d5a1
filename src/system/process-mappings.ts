import { readKernelFile } from './kernel-files.js'

/** A mapping of a process: a line of /proc/PID/maps (proc_pid_maps(5)). */
export interface ProcessMapping {
  readonly start: bigint
  /** The first address after the mapping. */
  readonly end: bigint
  /** 'rw-s': read, write, execute, shared or private. */
  readonly permissions: string
  /** A file, '[heap]', '/memfd:pinfold:rx (deleted)', or '' for anonymous memory. */
  readonly name: string
}

/** The mappings of a process that overlap `[address, address + length)`, in order. */
export function readMappings(pid: number, address: bigint, length: number): ProcessMapping[] {
  return parseMappings(readKernelFile(`/proc/${pid}/maps`) ?? '').filter(
    ({ start, end }) => start < address + BigInt(length) && end > address,
  )
}

export function parseMappings(text: string): ProcessMapping[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)$/.exec(line)
    if (match === null) return []
    const [, start, end, permissions = '', name = ''] = match
    return [{ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), permissions, name }]
  })
}
