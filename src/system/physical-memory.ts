import { listKernelDirectory, readKernelFile } from './kernel-files.js'
import { memoryNodes } from './numa.js'

/** A stretch of physical addresses with memory of one NUMA node. */
export interface PhysicalMemory {
  readonly start: number
  /** Bytes. */
  readonly length: number
  /** Undefined if the kernel does not say to which of several nodes the memory belongs. */
  readonly node: number | undefined
}

const blocksRoot = '/sys/devices/system/memory'
const nodesRoot = '/sys/devices/system/node'

/**
 * The physical addresses at which this machine (or virtual machine) has memory, in order. Empty if the kernel shows
 * them to nobody, or not to this user.
 *
 * Sources: 'System RAM' of /proc/iomem, which shows addresses to root alone; the memory blocks of
 * Documentation/admin-guide/mm/memory-hotplug.rst, which tell the node, and are coarser.
 *
 * @throws PinfoldError `ERR_SYSTEM`
 */
export function physicalMemory(): PhysicalMemory[] {
  const blocks = memoryBlocks()
  const ranges = parseSystemRam(readKernelFile('/proc/iomem') ?? '')
  if (ranges.length === 0) return blocks
  const nodes = memoryNodes()
  if (blocks.length === 0 || nodes.length === 1) {
    return ranges.map((range) => ({ ...range, node: nodes.length === 1 ? nodes[0] : undefined }))
  }
  return ranges.flatMap((range) => splitByNode(range, blocks))
}

/** 'System RAM' at the top level of /proc/iomem. A user who may not see the addresses sees 0, and gets none here. */
export function parseSystemRam(text: string): { start: number; length: number }[] {
  return [...text.matchAll(/^([0-9a-f]+)-([0-9a-f]+) : System RAM/gm)]
    .map(([, first = '', last = '']) => ({ start: Number.parseInt(first, 16), last: Number.parseInt(last, 16) }))
    .filter(({ last }) => last > 0)
    .map(({ start, last }) => ({ start, length: last + 1 - start }))
}

function memoryBlocks(): PhysicalMemory[] {
  const size = Number.parseInt(readKernelFile(`${blocksRoot}/block_size_bytes`) ?? '', 16)
  if (!(size > 0)) return []
  const nodes = memoryNodes()
  const numbers = (folder: string) =>
    listKernelDirectory(folder).flatMap((name) =>
      /^memory\d+$/.test(name) ? [Number(name.slice('memory'.length))] : [],
    )
  const nodeOf = new Map<number, number>()
  for (const node of nodes) for (const block of numbers(`${nodesRoot}/node${node}`)) nodeOf.set(block, node)
  const only = nodes.length === 1 ? nodes[0] : undefined
  const blocks = numbers(blocksRoot)
    .sort((one, other) => one - other)
    .map((block) => ({ start: block * size, length: size, node: nodeOf.get(block) ?? only }))
  return joined(blocks)
}

function splitByNode(range: { start: number; length: number }, blocks: readonly PhysicalMemory[]): PhysicalMemory[] {
  const end = range.start + range.length
  const parts: PhysicalMemory[] = []
  let at = range.start
  for (const block of blocks) {
    const start = Math.max(at, block.start)
    const stop = Math.min(end, block.start + block.length)
    if (start >= stop) continue
    if (start > at) parts.push({ start: at, length: start - at, node: undefined })
    parts.push({ start, length: stop - start, node: block.node })
    at = stop
  }
  if (at < end) parts.push({ start: at, length: end - at, node: undefined })
  return joined(parts)
}

function joined(ranges: readonly PhysicalMemory[]): PhysicalMemory[] {
  const result: PhysicalMemory[] = []
  for (const range of ranges) {
    const last = result.at(-1)
    if (last !== undefined && last.start + last.length === range.start && last.node === range.node) {
      result[result.length - 1] = { ...last, length: last.length + range.length }
    } else {
      result.push(range)
    }
  }
  return result
}
