import { arch } from 'node:os'
import { readKernelFile } from '../../system/kernel-files.js'
import { basePageSize } from '../../system/page-sizes.js'
import { parseMappings } from '../../system/process-mappings.js'

/** A level of the page tables, by the kernel's names. The level PTE maps base pages. */
export type LevelName = 'PGD' | 'P4D' | 'PUD' | 'PMD' | 'PTE'

export interface Level {
  readonly name: LevelName
  /** Bytes that one entry of a table of this level covers. */
  readonly entryBytes: number
  /** Bytes that a whole table covers. */
  readonly tableBytes: number
}

/** The levels between the first, PGD, and the last, PTE. A kernel with fewer levels lacks the first of them. */
const middle: readonly LevelName[] = ['P4D', 'PUD', 'PMD']

/**
 * The levels of page tables with pages of `pageSize` bytes, the PGD first. An entry has 8 bytes, and a table is one
 * page. The virtual addresses have `addressBits` bits, so the first table may use only a part of its page.
 */
export function levelsOf(addressBits: number, pageSize: number): Level[] {
  const pageBits = Math.log2(pageSize)
  const bitsPerLevel = pageBits - 3
  const count = Math.max(2, Math.ceil((addressBits - pageBits) / bitsPerLevel))
  const names: LevelName[] = ['PGD', ...middle.slice(Math.max(0, middle.length - (count - 2))), 'PTE']
  return names.map((name, at) => {
    const entryBytes = pageSize * 2 ** (bitsPerLevel * (names.length - 1 - at))
    return { name, entryBytes, tableBytes: entryBytes * 2 ** bitsPerLevel }
  })
}

/**
 * The levels that this machine uses for the memory of processes.
 *
 * x86-64 has 4 levels (48 bits, of which the kernel uses half), or 5 if the processor has LA57 and the kernel uses it:
 * the kernel removes the flag from /proc/cpuinfo otherwise (Documentation/arch/x86/x86_64/5level-paging.rst). Other
 * architectures let the kernel choose the number of bits. There, it is taken from the highest address of this process,
 * its stack, which is close to the end of the address space. (An arm64 kernel with 52 bits places stacks as one with 48
 * bits does, so its fifth level is not seen.)
 */
export function pageTableLevels(): Level[] {
  machineLevels ??= levelsOf(addressBits(), basePageSize)
  return machineLevels
}
let machineLevels: Level[] | undefined

function addressBits(): number {
  if (arch() === 'x64') return /^flags\s*:.*\bla57\b/m.test(readKernelFile('/proc/cpuinfo') ?? '') ? 57 : 48
  const highest = parseMappings(readKernelFile('/proc/self/maps') ?? '')
    .filter(({ name }) => name === '[stack]')
    .reduce((end, mapping) => (mapping.end > end ? mapping.end : end), 0n)
  return highest === 0n ? 48 : (highest - 1n).toString(2).length
}

/**
 * The level whose entries map a page: the largest entries that are not larger than the page. arm64 maps a page of
 * 64 KiB with 16 entries of 4 KiB.
 */
export function levelOfPage(pageSize: number, levels: readonly Level[]): Level | undefined {
  return levels.find(({ entryBytes }) => entryBytes <= pageSize)
}
