import { freemem, totalmem } from 'node:os'
import { listKernelDirectory, parseIndexList, parseStatField, readKernelFile } from './kernel-files.js'

/** One NUMA node. */
export interface NumaNode {
  readonly id: number
  /** CPUs of the node; empty for a node that has only memory (CXL, HBM). */
  readonly cpus: readonly number[]
  /** Bytes; 0 on a node without memory. */
  readonly memoryBytes: number
  /** Bytes that are free now. They do not include page cache, although the kernel could drop it. */
  readonly freeBytes: number
  /** The cost of access from this node to each online node, in the order of `numaNodes()`: 10 is local (ACPI SLIT). */
  readonly distances: readonly number[]
}

const root = '/sys/devices/system/node'

/**
 * The online NUMA nodes, by id. A kernel without NUMA counts as one node 0 with all CPUs and all memory.
 * Source: Documentation/ABI/stable/sysfs-devices-node.
 *
 * @throws PinfoldError `ERR_PERMISSION`, `ERR_SYSTEM` where the kernel's files cannot be read
 */
export function numaNodes(): NumaNode[] {
  const ids = listedNodes('online')
  if (ids === undefined) return [wholeMachine()]
  return ids.map((id) => {
    const { total, free } = parseNodeMemory(readKernelFile(`${root}/node${id}/meminfo`) ?? '')
    return {
      id,
      cpus: parseIndexList(readKernelFile(`${root}/node${id}/cpulist`) ?? ''),
      memoryBytes: total,
      freeBytes: free,
      distances: parseDistances(readKernelFile(`${root}/node${id}/distance`) ?? ''),
    }
  })
}

/** The ids of the nodes that have memory, ascending. */
export function memoryNodes(): number[] {
  return listedNodes('has_memory') ?? [0]
}

/** The ids of the nodes whose memory this process's cpuset allows, ascending (cpuset(7), proc_pid_status(5)). */
export function allowedNodes(): number[] {
  const list = /^Mems_allowed_list:\s*(\S+)/m.exec(readKernelFile('/proc/self/status') ?? '')?.[1]
  return list === undefined ? memoryNodes() : parseIndexList(list)
}

/** The node of the CPU on which this thread runs. The scheduler may move the thread at any time. */
export function currentNode(): number {
  const cpu = parseStatField(readKernelFile('/proc/thread-self/stat') ?? '', 39)
  return numaNodes().find(({ cpus }) => cpus.includes(cpu))?.id ?? 0
}

/** Whether the kernel shows its memory per node (CONFIG_NUMA). */
export function hasNuma(): boolean {
  return listKernelDirectory(root).length > 0
}

/** The total and the free bytes in the text of a node's meminfo: 'Node 0 MemTotal:  24684092 kB'. */
export function parseNodeMemory(text: string): { total: number; free: number } {
  return { total: nodeBytes(text, 'MemTotal'), free: nodeBytes(text, 'MemFree') }
}

/** Bytes in a node's meminfo that are free or contain file pages, which the kernel drops when memory is short. */
export function parseReclaimableNodeMemory(text: string): number {
  return nodeBytes(text, 'MemFree') + nodeBytes(text, 'Active\\(file\\)') + nodeBytes(text, 'Inactive\\(file\\)')
}

function nodeBytes(text: string, name: string): number {
  return Number(new RegExp(`^Node \\d+ ${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
}

/** '10 21' is [10, 21]. */
export function parseDistances(text: string): number[] {
  return text
    .trim()
    .split(/\s+/)
    .filter((distance) => distance !== '')
    .map(Number)
}

function listedNodes(name: 'online' | 'has_memory'): number[] | undefined {
  const text = readKernelFile(`${root}/${name}`)
  return text === undefined ? undefined : parseIndexList(text)
}

function wholeMachine(): NumaNode {
  const cpus = parseIndexList(readKernelFile('/sys/devices/system/cpu/online') ?? '0')
  return { id: 0, cpus, memoryBytes: totalmem(), freeBytes: freemem(), distances: [10] }
}
