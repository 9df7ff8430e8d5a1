import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../errors.js'
import { type NativeRangeUse, native } from '../native.js'
import { descriptorShortage } from './descriptors.js'
import { readKernelFile } from './kernel-files.js'

const { EACCES, EPERM } = constants.errno

/**
 * The kernel's figures for a range of memory, summed over its mappings. They are bytes, except for the flags and the
 * name. Source: Documentation/filesystems/proc.rst, /proc/PID/smaps.
 */
export interface MappingUse {
  /** The size of all mappings that overlap the range: more than the range if a mapping reaches beyond it. */
  readonly mapped: number
  /** In memory and mapped by page tables, without hugetlb pages (the kernel does not count them in Rss). */
  readonly resident: number
  /** In hugetlb pages that several page tables map. */
  readonly hugetlbShared: number
  /** In hugetlb pages that only this process maps, or maps privately. */
  readonly hugetlbPrivate: number
  /** Mapped by transparent huge pages: anonymous, shared memory and file together. */
  readonly transparent: number
  /** Resident in mappings that are locked (mlock). */
  readonly locked: number
  readonly swap: number
  /** Size of the pages that back the mapping; for transparent pages the base page size. 0 if nothing is mapped. */
  readonly kernelPageSize: number
  /** The page size that the processor's page tables use; smaller than `kernelPageSize` on some POWER machines. */
  readonly mmuPageSize: number
  /**
   * VmFlags that all of the mappings have: 'ht' hugetlb, 'lo' locked, 'dd' not dumped, 'dc' not in forks, … Only smaps
   * has the flags, so they are read when this property is first read. Read it while the memory is mapped.
   */
  readonly flags: readonly string[]
  /** The name of the first mapping, from the last column: '/memfd:pinfold:rx (deleted)', '[anon:pinfold:rx]' or ''. */
  readonly name: string
}

/** One mapping of /proc/PID/smaps. */
export interface Mapping {
  readonly start: bigint
  /** The first address after the mapping. */
  readonly end: bigint
  /** 'rw-s': read, write, execute, shared or private. */
  readonly permissions: string
  readonly name: string
  /** The kB fields in bytes, by the kernel's names. */
  readonly fields: ReadonlyMap<string, number>
  readonly flags: readonly string[]
}

/**
 * A snapshot of the memory that the mappings in `[address, address + size)` of this process use. If all of it is in
 * memory, its cost depends on the range alone (Linux 6.11). Otherwise the kernel walks all page tables of the process,
 * which costs milliseconds if it is large.
 *
 * @throws PinfoldError `ERR_PERMISSION`, `ERR_DESCRIPTORS_SHORT`, `ERR_SYSTEM` if we cannot read /proc/self
 */
export function readMemoryUse(address: bigint, size: number): MappingUse {
  const use = rangeUse(address, size)
  if (use === undefined) return readSmaps(address, size)
  const { pageSize, ...bytes } = use
  let flags: readonly string[] | undefined
  return {
    ...bytes,
    swap: 0,
    kernelPageSize: pageSize,
    mmuPageSize: pageSize,
    get flags() {
      flags ??= readSmaps(address, size).flags
      return flags
    },
  }
}

function rangeUse(address: bigint, size: number): NativeRangeUse | undefined {
  try {
    return native.rangeUse(Number(address), size)
  } catch (error) {
    throw refusalOf(error)
  }
}

/**
 * As `readMemoryUse`, read from smaps, of any process.
 *
 * @throws PinfoldError `ERR_PROCESS_UNKNOWN` if there is no process `pid`, `ERR_PERMISSION` if we may not read its
 * smaps
 */
export function readSmaps(address: bigint, size: number, pid: number | 'self' = 'self'): MappingUse {
  return sumMappings(readMappingsUse(address, size, pid))
}

/**
 * The mappings that overlap `[address, address + size)`, each with the kernel's figures, in order. Costs and errors as
 * of `readSmaps`.
 */
export function readMappingsUse(address: bigint, size: number, pid: number | 'self' = 'self'): Mapping[] {
  return parseSmaps(readOfProcess(pid, 'smaps'), address, address + BigInt(size))
}

/**
 * Bytes of the pages of `[address, address + size)` by NUMA node. Only mapped pages count. Undefined on a kernel
 * without NUMA. Source: numa(7), /proc/PID/numa_maps.
 */
export function readNumaMaps(
  address: bigint,
  size: number,
  pid: number | 'self' = 'self',
): Readonly<Record<number, number>> | undefined {
  const text = readKernelFile(`/proc/${pid}/numa_maps`)
  if (text === undefined) return undefined
  // numa_maps contains only the start of a mapping, so its end comes from maps.
  const mappings = parseSmaps(readOfProcess(pid, 'maps'), address, address + BigInt(size))
  const starts = new Set(mappings.map(({ start }) => start))
  return parseNumaMaps(text, (start) => starts.has(start))
}

function refusalOf(error: unknown): PinfoldError {
  const errno = isSystemFailure(error) ? Math.abs(error.errno) : 0
  const isForbidden = errno === EACCES || errno === EPERM
  return descriptorShortage(error) ?? toPinfoldError(error, isForbidden ? 'ERR_PERMISSION' : 'ERR_SYSTEM')
}

function readOfProcess(pid: number | 'self', file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ESRCH') {
      throw new PinfoldError(`no process ${pid}`, { code: 'ERR_PROCESS_UNKNOWN', values: { pid }, cause: error })
    }
    throw refusalOf(error)
  }
}

const headerLine = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)$/
const fieldLine = /^(\w+): +(\d+) kB$/

/**
 * Parses the mappings of smaps text that overlap [address, end); without a range all of them. A maps text has the same
 * first lines, and no fields. The text of a process may have a million lines, so that most of them must not be parsed.
 */
export function parseSmaps(text: string, address = 0n, end = 1n << 64n): Mapping[] {
  const mappings: (Mapping & { fields: Map<string, number>; flags: string[] })[] = []
  let isWanted = false
  for (let at = 0, next = 0; at < text.length; at = next) {
    const lineEnd = text.indexOf('\n', at)
    next = lineEnd < 0 ? text.length : lineEnd + 1
    // A mapping begins with its address in lower case, a field with a capital letter.
    const isField = text.charCodeAt(at) >= 65 && text.charCodeAt(at) <= 90
    if (isField && !isWanted) continue
    const line = text.slice(at, lineEnd < 0 ? text.length : lineEnd)
    if (isField) {
      const current = mappings.at(-1)
      const [, field, kibibytes] = fieldLine.exec(line) ?? []
      if (field !== undefined) current?.fields.set(field, Number(kibibytes) * 1024)
      else if (line.startsWith('VmFlags:')) current?.flags.push(...line.slice('VmFlags:'.length).trim().split(/\s+/))
      continue
    }
    const header = headerLine.exec(line)
    if (header === null) continue
    const [, from, to, permissions = '', name = ''] = header
    const range = { start: BigInt(`0x${from}`), end: BigInt(`0x${to}`) }
    if (range.start >= end) break
    isWanted = range.end > address
    if (isWanted) mappings.push({ ...range, permissions, name, fields: new Map(), flags: [] })
  }
  return mappings
}

/** Sums several mappings up into one. */
export function sumMappings(mappings: readonly Mapping[]): MappingUse {
  const of = (some: readonly Mapping[], ...names: string[]) =>
    some.reduce((total, { fields }) => total + names.reduce((part, name) => part + (fields.get(name) ?? 0), 0), 0)
  const sum = (...names: string[]) => of(mappings, ...names)
  const [first, ...others] = mappings
  return {
    mapped: mappings.reduce((total, { start, end }) => total + Number(end - start), 0),
    resident: sum('Rss'),
    hugetlbShared: sum('Shared_Hugetlb'),
    hugetlbPrivate: sum('Private_Hugetlb'),
    transparent: sum('AnonHugePages', 'ShmemPmdMapped', 'FilePmdMapped'),
    locked: of(
      mappings.filter(({ flags }) => flags.includes('lo')),
      'Rss',
    ),
    swap: sum('Swap'),
    kernelPageSize: first?.fields.get('KernelPageSize') ?? 0,
    mmuPageSize: first?.fields.get('MMUPageSize') ?? 0,
    flags: first?.flags.filter((flag) => others.every(({ flags }) => flags.includes(flag))) ?? [],
    name: first?.name ?? '',
  }
}

/** Bytes by node of the mappings in numa_maps text. `isWanted` selects the mappings by their start. */
export function parseNumaMaps(text: string, isWanted: (start: bigint) => boolean): Record<number, number> {
  const bytes: Record<number, number> = {}
  for (const line of text.split('\n')) {
    const [start, ...words] = line.split(' ')
    if (start === undefined || start === '' || !isWanted(BigInt(`0x${start}`))) continue
    // Counts are in pages of kernelpagesize, also those of transparent huge pages (there the base page).
    const pageSize = Number(words.find((word) => word.startsWith('kernelpagesize_kB='))?.split('=')[1] ?? 0) * 1024
    for (const word of words) {
      const [, node, pages] = /^N(\d+)=(\d+)$/.exec(word) ?? []
      if (node !== undefined) bytes[Number(node)] = (bytes[Number(node)] ?? 0) + Number(pages) * pageSize
    }
  }
  return bytes
}
