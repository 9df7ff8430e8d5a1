import { constants } from 'node:os'
import { pageKind } from '../../native.js'
import { MiB } from '../../sizes.js'
import { formatIndexList, readKernelFile, readKernelNumber } from '../../system/kernel-files.js'
import { allowedNodes, memoryNodes, parseReclaimableNodeMemory } from '../../system/numa.js'
import {
  addressSpaceLimit,
  capabilities,
  dataLimit,
  processMemory,
  type ResourceLimit,
} from '../../system/process-limits.js'
import { nodesText, spaced } from '../../system/texts.js'
import { type Attempt, isLocked } from '../allocate/attempt.js'
import { type Placement, strictNodes } from '../allocate/placement.js'
import type { Shortage } from './reason.js'

const { EFAULT, ENOMEM } = constants.errno

/** Bytes that can become base and transparent pages. */
export interface FreeMemory {
  /** Memory on the nodes that count that is free, or easily freed. */
  readonly available: number
  /** Free swap, to which other memory can move. */
  readonly swap: number
  /** The nodes that count, where a strict policy or the cpuset names some; undefined: the machine as a whole. */
  readonly nodes: readonly number[] | undefined
}

/** How much this process may still map. Infinity without a limit. */
export interface MapRoom {
  /** Bytes that RLIMIT_AS leaves for regions. */
  readonly addressSpace: number
  /** Bytes that RLIMIT_DATA leaves for regions on private memory. */
  readonly data: number
  /** How much may still be committed, if the kernel does not overcommit (vm.overcommit_memory is 2). */
  readonly commit: CommitRoom | undefined
}

/** Bytes (proc_meminfo(5); `__vm_enough_memory` in mm/util.c). */
export interface CommitRoom {
  readonly available: number
  /** CommitLimit, of which `swap` is SwapTotal. */
  readonly limit: number
  readonly swap: number
  /** Committed_AS */
  readonly committed: number
}

/** The memory of the nodes that a placement may use: those that it is bound to, as far as the cpuset allows them. */
export function freeMemory(placement: Pick<Placement, 'policy' | 'nodes'>): FreeMemory {
  const text = readKernelFile('/proc/meminfo') ?? ''
  const swap = parseMemory(text, 'SwapFree')
  const all = memoryNodes()
  const allowed = allowedNodes()
  const bound = strictNodes(placement)
  const usable = all.filter((node) => allowed.includes(node) && (bound === undefined || bound.includes(node)))
  if (bound === undefined && usable.length === all.length)
    return { available: parseMemory(text, 'MemAvailable'), swap, nodes: undefined }
  const available = usable.reduce((sum, node) => {
    return sum + parseReclaimableNodeMemory(readKernelFile(`/sys/devices/system/node/node${node}/meminfo`) ?? '')
  }, 0)
  return { available, swap, nodes: usable }
}

/** A line of /proc/meminfo in bytes; 0 if there is no such line. */
export function parseMemory(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024
}

export function mapRoom(): MapRoom {
  const { virtual, data } = processMemory()
  return {
    addressSpace: leftFor(addressSpaceLimit(), virtual),
    data: leftFor(dataLimit(), data),
    commit: readKernelNumber('/proc/sys/vm/overcommit_memory') === 2 ? commitRoom(virtual) : undefined,
  }
}

/** Bytes that regions may take: they leave the last eighth of a limit to the program (native/memory/address_room.h). */
function leftFor({ soft }: ResourceLimit, used: number): number {
  return Math.max(0, Math.ceil((soft * 7) / 8) - used)
}

/** The kernel keeps a reserve for each process, and one for the administrator. */
function commitRoom(virtual: number): CommitRoom {
  const meminfo = readKernelFile('/proc/meminfo') ?? ''
  const reserve = (name: string) => (readKernelNumber(`/proc/sys/vm/${name}_reserve_kbytes`) ?? 0) * 1024
  const limit = parseMemory(meminfo, 'CommitLimit')
  const committed = parseMemory(meminfo, 'Committed_AS')
  const forAdministrator = capabilities().has('CAP_SYS_ADMIN') ? 0 : reserve('admin')
  const reserved = forAdministrator + Math.min(Math.floor(virtual / 32), reserve('user'))
  const available = Math.max(0, limit - committed - reserved)
  return { available, limit, swap: parseMemory(meminfo, 'SwapTotal'), committed }
}

/**
 * Why there is too little memory for the attempt; undefined when there is enough. Call it before the kernel is asked:
 * the kernel grants base pages that it does not have, and kills the process when they are touched.
 */
export function memoryShortage(
  attempt: Attempt,
  { available, swap, nodes }: FreeMemory,
  underWay = 0,
): Shortage | undefined {
  const { size } = attempt
  // Locked pages cannot go to swap, but other memory can, and leaves room for them.
  if (size <= available + swap - underWay) return undefined
  const where = nodesText(formatIndexList(nodes ?? []))
  const inSwap = swap > 0 ? ` and ${spaced(swap)} of swap` : ''
  const less = underWay > 0 ? `, less ${spaced(underWay)} that this process is populating` : ''
  return {
    code: 'ERR_MEMORY_SHORT',
    message: `${spaced(size)}${isLocked(attempt) ? ' of locked memory' : ''} wanted${where}, ${spaced(available)}${inSwap} available${less}`,
    values: { wanted: size, available, swap, underWay, nodes },
  }
}

/** The process has too many mappings, as native code has counted them (native/memory/mapping_room.h). */
export function mappingShortage({
  mappings = 0,
  limit = 0,
  maxMappings = 0,
}: Readonly<Record<string, number>>): Shortage {
  return {
    code: 'ERR_MEMORY_SHORT',
    message: `this process has ${mappings} mappings, and regions leave it no more than ${limit} of the ${maxMappings} that it may have (vm.max_map_count): the runtime aborts when it gets none`,
    values: { mappings, maxMappings },
    hint: `sudo sysctl -w vm.max_map_count=${maxMappings * 2}`,
  }
}

/**
 * Why this process may not map so much, though the machine may have it; undefined when no limit of the process forbids
 * it.
 *
 * @param errno ENOMEM of mmap, or EFAULT of populating: a memfd is committed page by page, as it is touched
 */
export function mapShortage({ size, choice }: Attempt, has: MapRoom, errno: number = ENOMEM): Shortage | undefined {
  const code = 'ERR_MEMORY_SHORT'
  if (
    choice.kind !== pageKind.hugetlb &&
    has.commit !== undefined &&
    (errno === EFAULT || size > has.commit.available)
  ) {
    return commitShortage(size, has.commit)
  }
  if (errno !== ENOMEM) return undefined
  if (size > has.addressSpace) {
    return {
      code,
      message: `${spaced(size)} of address space wanted, ${spaced(has.addressSpace)} left for regions (RLIMIT_AS)`,
      values: { wanted: size, available: has.addressSpace },
      hint: `sudo prlimit --pid ${process.pid} --as=unlimited`,
    }
  }
  if (size > has.data) {
    return {
      code,
      message: `${spaced(size)} of private memory wanted, ${spaced(has.data)} left for regions (RLIMIT_DATA)`,
      values: { wanted: size, available: has.data },
      hint: `sudo prlimit --pid ${process.pid} --data=unlimited`,
    }
  }
  return undefined
}

/** The hint asks for so much more than is missing, since other processes commit memory too. */
const commitSlack = 64 * MiB

function commitShortage(size: number, { available, limit, swap, committed }: CommitRoom): Shortage {
  const missing = Math.max(0, size - available)
  return {
    code: 'ERR_MEMORY_SHORT',
    message: `${spaced(size)} wanted, ${spaced(available)} left to commit (vm.overcommit_memory is 2, CommitLimit ${spaced(limit)}, Committed_AS ${spaced(committed)})`,
    values: { wanted: size, available, commitLimit: limit, committed },
    // The kernel adds swap to this value to get the limit.
    hint: `sudo sysctl -w vm.overcommit_kbytes=${Math.ceil((limit - swap + missing + commitSlack) / 1024)}`,
  }
}
