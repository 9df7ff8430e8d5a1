import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

// What a file of machine code says of itself: the header of elf(5), its segments, and its dynamic section. The layout
// is that of the ELF specification (System V ABI, chapters 4 and 5) and, for versions of symbols, of the Linux Standard
// Base.

/** The names that Node has for processors (`process.arch`), by the number in an ELF header (elf.h, EM_). */
const machines: Readonly<Record<number, string>> = {
  3: 'ia32',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
}

/** The beginning of an ELF file, and the size that its tables promise. */
export interface ElfHeader {
  /** The processor, as `process.arch` names it, or its number. */
  readonly arch: string
  readonly bits: 32 | 64
  readonly isLittleEndian: boolean
  /** Whether it can be loaded into a process: a shared object, and no program or object file. */
  readonly isLibrary: boolean
  /** Bytes of the file. */
  readonly size: number
  /** Bytes that the file must have at least, by its segments and its table of sections. 0 for files of 32 bits. */
  readonly neededSize: number
}

/** What a shared object asks of the dynamic loader. */
export interface ElfNeeds {
  /** The libraries that it needs, as `libc.so.6`. */
  readonly libraries: readonly string[]
  /** The versions of symbols that it needs, as `GLIBC_2.34`. */
  readonly versions: readonly string[]
  /** Whether it has the function by which Node-API registers an addon. */
  readonly isAddon: boolean
}

const headerSize = 64
const programHeaderSize = 56
const sharedObject = 3
const segment = { load: 1, dynamic: 2 } as const
const tag = { needed: 1, strings: 5, stringsSize: 10, versions: 0x6ffffffe, versionCount: 0x6fffffff } as const

/**
 * Reads the header of a file; undefined if it is no ELF file.
 *
 * @throws the error of `node:fs` if the file cannot be read
 */
export function readElfHeader(path: string): ElfHeader | undefined {
  // Without O_NONBLOCK, the open of a pipe would wait for a writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const status = fstatSync(file)
    if (!status.isFile()) return undefined
    const { size } = status
    return headerOf(read(file, 0, headerSize), size, (at, length) => read(file, at, length))
  } finally {
    closeSync(file)
  }
}

type Reader = (at: number, length: number) => Buffer

function headerOf(header: Buffer, size: number, readAt: Reader): ElfHeader | undefined {
  if (header.toString('latin1', 0, 4) !== '\x7fELF') return undefined
  const isLittleEndian = header[5] !== 2
  const bits = header[4] === 1 ? 32 : 64
  // A header that is cut off names no processor.
  if (header.length < headerSize) {
    return { arch: 'unknown', bits, isLittleEndian, isLibrary: false, size, neededSize: headerSize }
  }
  const machine = isLittleEndian ? header.readUInt16LE(18) : header.readUInt16BE(18)
  const type = isLittleEndian ? header.readUInt16LE(16) : header.readUInt16BE(16)
  const arch = machines[machine] ?? `machine ${machine}`
  const isLibrary = type === sharedObject
  const neededSize = bits === 64 && isLittleEndian ? endOf(header, size, readAt) : 0
  return { arch, bits, isLittleEndian, isLibrary, size, neededSize }
}

/** The end of a file, by its segments and its table of sections, which the linker writes last. */
function endOf(header: Buffer, size: number, readAt: Reader): number {
  const sections = Number(header.readBigUInt64LE(40))
  let end = sections === 0 ? headerSize : sections + header.readUInt16LE(58) * header.readUInt16LE(60)
  const programHeaders = Number(header.readBigUInt64LE(32))
  const tableSize = header.readUInt16LE(56) * programHeaderSize
  end = Math.max(end, programHeaders + tableSize)
  if (end > size) return end
  const table = readAt(programHeaders, tableSize)
  for (let at = 0; at + programHeaderSize <= table.length; at += programHeaderSize) {
    end = Math.max(end, Number(table.readBigUInt64LE(at + 8) + table.readBigUInt64LE(at + 32)))
  }
  return end
}

/**
 * Reads what a shared object needs. The file must be whole, of 64 bits and little endian; undefined if its tables
 * contradict each other.
 *
 * @throws the error of `node:fs` if the file cannot be read
 */
export function readElfNeeds(path: string): ElfNeeds | undefined {
  const file = openSync(path, 'r')
  try {
    return needsOf(read(file, 0, fstatSync(file).size))
  } catch (error) {
    // An offset that is not inside of the file.
    if (error instanceof RangeError) return undefined
    throw error
  } finally {
    closeSync(file)
  }
}

function needsOf(file: Buffer): ElfNeeds | undefined {
  const segments = segmentsOf(file)
  const dynamic = segments.find(({ type }) => type === segment.dynamic)
  if (dynamic === undefined) return { libraries: [], versions: [], isAddon: false }
  const entries: { tag: number; value: number }[] = []
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    entries.push({ tag: Number(file.readBigUInt64LE(at)), value: Number(file.readBigUInt64LE(at + 8)) })
  }
  const entryOf = (wanted: number) => entries.find((entry) => entry.tag === wanted)?.value
  const offsetOf = (address: number | undefined) => {
    const holder = segments.find(
      ({ type, address: start, size }) =>
        type === segment.load && address !== undefined && address >= start && address < start + size,
    )
    return holder === undefined || address === undefined ? undefined : address - holder.address + holder.offset
  }
  const strings = offsetOf(entryOf(tag.strings))
  if (strings === undefined) return undefined
  const textAt = (offset: number) => {
    const end = file.indexOf(0, strings + offset)
    if (end < 0) throw new RangeError('a text without an end')
    return file.toString('latin1', strings + offset, end)
  }
  const table = file.toString('latin1', strings, strings + (entryOf(tag.stringsSize) ?? 0))
  const versions = offsetOf(entryOf(tag.versions))
  return {
    libraries: entries.filter((entry) => entry.tag === tag.needed).map(({ value }) => textAt(value)),
    versions: versions === undefined ? [] : versionsAt(file, versions, entryOf(tag.versionCount) ?? 0, textAt),
    isAddon: table.includes('\0napi_register_module_v'),
  }
}

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  /** Bytes in the file. */
  readonly size: number
}

function segmentsOf(file: Buffer): Segment[] {
  const start = Number(file.readBigUInt64LE(32))
  return Array.from({ length: file.readUInt16LE(56) }, (_, index) => {
    const at = start + index * programHeaderSize
    return {
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      address: Number(file.readBigUInt64LE(at + 16)),
      size: Number(file.readBigUInt64LE(at + 32)),
    }
  })
}

/** The names in the table of needed versions: for each library a record (Verneed), and its versions (Vernaux). */
function versionsAt(file: Buffer, start: number, count: number, textAt: (offset: number) => string): string[] {
  const names: string[] = []
  for (let at = start, index = 0; index < count; index++) {
    let auxiliary = at + file.readUInt32LE(at + 8)
    for (let left = file.readUInt16LE(at + 2); left > 0; left--) {
      names.push(textAt(file.readUInt32LE(auxiliary + 8)))
      const step = file.readUInt32LE(auxiliary + 12)
      if (step === 0) break
      auxiliary += step
    }
    const step = file.readUInt32LE(at + 12)
    if (step === 0) break
    at += step
  }
  return names
}

/** Reads up to `length` bytes; fewer at the end of the file. */
function read(file: number, at: number, length: number): Buffer {
  const buffer = Buffer.alloc(length)
  return buffer.subarray(0, readSync(file, buffer, 0, length, at))
}
