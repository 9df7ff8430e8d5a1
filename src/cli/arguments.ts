import { PinfoldError } from '../errors.js'
import { formatSize, GiB, KiB, MiB, parseSize } from '../sizes.js'

/** The options of every command. */
export const commonArguments = {
  json: { type: 'boolean', description: 'Print one JSON object instead of text' },
} as const

/** The error for an argument of the command line that is not valid. */
export function badArgument(message: string, received: unknown): PinfoldError {
  const shown = typeof received === 'string' ? `'${received}'` : String(received)
  const found = received === undefined ? 'nothing' : shown
  return new PinfoldError(`expected ${message}, but received ${found}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received },
  })
}

/** A whole number of `least` or more, in decimal digits. */
export function parseCount(word: string, what: string, least = 0): number {
  const count = /^\d+$/.test(word) ? Number(word) : Number.NaN
  if (Number.isSafeInteger(count) && count >= least) return count
  throw badArgument(`${what} as a whole number${least > 0 ? ` of ${least} or more` : ''}`, word)
}

/** An address as people write it: hex with 0x, or decimal. At most 64 bits. */
export function parseAddress(word: string): bigint {
  const address = /^(0x[0-9a-f]+|\d+)$/i.test(word) ? BigInt(word) : undefined
  if (address !== undefined && address < 2n ** 64n) return address
  throw badArgument("an address such as '0x7f0000000000'", word)
}

/** A length: bytes, hex bytes, or a size with its unit. */
export function parseLength(word: string): number {
  if (/^0x[0-9a-f]+$/i.test(word)) return parseSize(Number(word))
  return parseSize(/^\d+$/.test(word) ? Number(word) : word)
}

const units: ReadonlyMap<string, number> = new Map([
  ['k', KiB],
  ['m', MiB],
  ['g', GiB],
])

/** A page size that this machine has. `2M`, `2MB` and `2048kB` mean 2MiB here, as DPDK and sysfs write them. */
export function parsePageSize(word: string, sizes: readonly number[]): number {
  const match = /^(\d+)\s*([kmg])i?b?$/i.exec(word)
  const size = Number(match?.[1]) * (units.get(match?.[2]?.toLowerCase() ?? '') ?? Number.NaN)
  if (sizes.includes(size)) return size
  const known =
    sizes.length > 0 ? sizes.map((known) => `'${formatSize(known)}'`).join(' or ') : 'none: no hugetlb pages'
  throw badArgument(`a hugepage size of this machine (${known})`, word)
}

/** A number of pages, written as a number or as the size that they make together: '1GiB' is 512 pages of 2MiB. */
export function parsePages(word: string, pageSize: number): number {
  if (/^\d+$/.test(word)) return parseCount(word, 'pages')
  const size = parseSize(word)
  if (size % pageSize === 0) return size / pageSize
  throw badArgument(`a number of pages, or a size that is a multiple of ${formatSize(pageSize)}`, word)
}

/** NUMA nodes, written '0', '0,1' or '0-3'. Each is returned once. */
export function parseNodes(word: string, known: readonly number[]): number[] {
  const nodes = new Set<number>()
  for (const part of word.split(',')) {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? []
    if (first === undefined || Number(last ?? first) < Number(first)) {
      throw badArgument("NUMA nodes such as '0', '0,1' or '0-3'", word)
    }
    const range = known.filter((node) => node >= Number(first) && node <= Number(last ?? first))
    if (range.length !== Number(last ?? first) - Number(first) + 1) {
      throw badArgument(`NUMA nodes of this machine (${known.join(', ')})`, word)
    }
    for (const node of range) nodes.add(node)
  }
  return [...nodes].sort((a, b) => a - b)
}
