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
 * A size in options: a number of bytes, or a string with a unit. '64MiB' is 67,108,864 bytes, '64MB' is 64,000,000.
 *
 * Units are B; KiB, MiB, GiB, TiB (powers of 1024); K, M, G, T (the same powers, as on the command line and in DPDK:
 * '2M' is '2MiB'); kB or KB, MB, GB, TB (powers of 1000). K, M, G and T may be lower-case; the case of all other units
 * matters. A string needs a unit: '4096' is refused. A fraction is accepted if it makes whole bytes: '1.5GiB'.
 */
export type Size = number | string

/**
 * Parses a size, and returns it in bytes.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` if the result is no safe positive integer, or the unit is not known
 */
export function parseSize(size: Size): number {
  const bytes = typeof size === 'number' ? size : parseWritten(size)
  if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new PinfoldError(
    `expected a size in bytes, or a number with a unit such as '64MiB' or '64MB', but received ${describe(size)}`,
    { code: 'ERR_INVALID_ARGUMENT', values: { size } },
  )
}

/** The most characters of a size. No valid size is longer. */
const longestSize = 1000

function parseWritten(text: unknown): number | undefined {
  const match =
    typeof text === 'string' && text.length <= longestSize ? /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) : null
  const unit = units[match?.[2] ?? '']
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit
}

/**
 * Formats a size for people, as pages are named ('2MiB'). It uses the largest binary unit up to TiB that is not above
 * the size. If the size is no multiple of that unit, it is rounded to one decimal ('1.5GiB').
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for a value that is not a number
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
 * A value as an error message shows it: short, with its type. A long value is never converted to text in full. None of
 * the value's own code runs (a getter, toString, a Proxy's trap).
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
