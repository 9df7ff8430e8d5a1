import { readFileSync } from 'node:fs'
import { native } from '../native.js'

/** A limit of this process in bytes; Infinity if there is no limit (getrlimit(2)). */
export interface ResourceLimit {
  readonly soft: number
  readonly hard: number
}

/** Memory that this process uses, in bytes (proc_pid_status(5)). */
export interface ProcessMemory {
  /** VmLck: counts against RLIMIT_MEMLOCK. */
  readonly locked: number
  /** VmPin: pinned by drivers. The kernel compares it with RLIMIT_MEMLOCK separately from VmLck. */
  readonly pinned: number
  /** VmSize: counts against RLIMIT_AS. */
  readonly virtual: number
  /** VmData: counts against RLIMIT_DATA. */
  readonly data: number
}

// include/uapi/asm-generic/resource.h
const RLIMIT_DATA = 2
const RLIMIT_MEMLOCK = 8
const RLIMIT_AS = 9

/** How much memory this process may lock, unless it has CAP_IPC_LOCK. */
export function memlockLimit(): ResourceLimit {
  return limitOf(RLIMIT_MEMLOCK)
}

/** How much address space this process may map. */
export function addressSpaceLimit(): ResourceLimit {
  return limitOf(RLIMIT_AS)
}

/** How much private writable memory this process may map. */
export function dataLimit(): ResourceLimit {
  return limitOf(RLIMIT_DATA)
}

export function processMemory(): ProcessMemory {
  return parseProcessMemory(readFileSync('/proc/self/status', 'latin1'))
}

export function parseProcessMemory(status: string): ProcessMemory {
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024
  return { locked: bytes('VmLck'), pinned: bytes('VmPin'), virtual: bytes('VmSize'), data: bytes('VmData') }
}

/** The capabilities by their numbers (include/uapi/linux/capability.h). */
const capabilityNames = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const

export type CapabilityName = (typeof capabilityNames)[number]

/** The effective capabilities of this thread, by name (capabilities(7)). */
export function capabilities(): ReadonlySet<CapabilityName> {
  return parseCapabilities(readFileSync('/proc/thread-self/status', 'latin1'))
}

export function parseCapabilities(status: string): ReadonlySet<CapabilityName> {
  const bits = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return new Set(capabilityNames.filter((_, number) => ((bits >> BigInt(number)) & 1n) === 1n))
}

function limitOf(resource: number): ResourceLimit {
  const [soft, hard] = native.resourceLimit(resource)
  return { soft, hard }
}
