import { bigintText, cut, PinfoldError } from './errors.js'

export const KiB = 2 ** 10
export const MiB = 2 ** 20
export const GiB = 2 ** 30

const units: Readonly<Record<string, number>> = {
  B: 1,
  KiB,
  MiB,
  GiB,
  TiB: 2 ** 40,
  K: KiB,
  k: KiB,
  M: MiB,
  m: MiB,
  G: GiB,
  g: GiB,
  T: 2 ** 40,
  t: 2 ** 40,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
}

/**
 * A size in options: bytes as a number, or a string with its unit: '64MiB' is 67,108,864, '64MB' 64,000,000.
 *
 * Units are B; KiB, MiB, GiB, TiB (powers of 1024); K, M, G, T, in either case, which are the same as on the command
 * line and in DPDK ('2M' is '2MiB'); kB or KB, MB, GB, TB (powers of 1000). The case of the others matters, and a string
 * needs a unit: '4096' is refused. A fraction is taken where it makes whole bytes: '1.5GiB'.
 */
export type Size = number | string

/**
 * A size in bytes.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` when it is no safe positive integer of bytes, or has no known unit.
 */
export function parseSize(size: Size): number {
  const bytes = typeof size === 'number' ? size : parseWritten(size)
  if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new PinfoldError(
    `expected a size in bytes, or a number with a unit such as '64MiB' or '64MB', but received ${describe(size)}`,
    { code: 'ERR_INVALID_ARGUMENT', values: { size } },
  )
}

/** Longer than any number that is a size. */
const longestSize = 1000

function parseWritten(text: unknown): number | undefined {
  const match =
    typeof text === 'string' && text.length <= longestSize ? /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) : null
  const unit = units[match?.[2] ?? '']
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit
}

/**
 * A size for people, as pages are named ('2MiB'): in the largest binary unit, up to TiB, that is not above it; with one
 * decimal, rounded, where that does not divide it ('1.5GiB').
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for what is no number
 */
export function formatSize(bytes: number): string {
  if (typeof bytes !== 'number' || Number.isNaN(bytes)) {
    throw new PinfoldError(`formatSize: expected a number of bytes, received ${describe(bytes)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { bytes },
    })
  }
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const scale = units[unit] ?? 1
    if (bytes >= scale) return `${Number.isInteger(bytes / scale) ? bytes / scale : (bytes / scale).toFixed(1)}${unit}`
  }
  return `${bytes}B`
}

/**
 * A value as an error message shows it: short, with its type. No text is made of what it is cut from, and no code of the
 * value's (a getter, toString, a Proxy's trap) runs.
 */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  switch (typeof value) {
    case 'string':
      return `'${cut(value)}' of type string`
    case 'bigint':
      return `${bigintText(value)} of type bigint`
    case 'symbol':
      return `Symbol(${cut(value.description ?? '')}) of type symbol`
    case 'object':
    case 'function':
      return `a value of type ${typeof value}`
    default:
      return `${String(value)} of type ${typeof value}`
  }
}
