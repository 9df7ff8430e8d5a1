import { PinfoldError } from '../errors.js'
import { checkRange } from '../options.js'
import { describe, formatSize, GiB } from '../sizes.js'
import { Granule, State, Word } from './block-table.js'
import { blockHolding } from './block-walk.js'
import type { Damage } from './integrity.js'
import type { SegregatedFit } from './segregated-fit.js'

// The errors of a heap. `heap` is its name in a message: "the heap in region 'rx'".

export const largestAlignment = GiB

export function wrongSize(subject: string, size: unknown): PinfoldError {
  return outOfRange(subject, 'size', size, 'a whole number of bytes from 1')
}

/** Converts an alignment to granules. @throws PinfoldError `ERR_OUT_OF_RANGE` */
export function stepOf(subject: string, alignment: number): number {
  const isAlignment =
    Number.isSafeInteger(alignment) &&
    alignment >= 1 &&
    alignment <= largestAlignment &&
    (alignment & (alignment - 1)) === 0
  if (!isAlignment) throw outOfRange(subject, 'alignment', alignment, `a power of two from 1 to ${largestAlignment}`)
  return Math.max(1, alignment / Granule.bytes)
}

function outOfRange(subject: string, name: string, value: unknown, expected: string): PinfoldError {
  return new PinfoldError(`${subject}: ${name}: expected ${expected}, received ${describe(value)}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { [name]: value },
  })
}

export function heapClosed(subject: string, heap: string): PinfoldError {
  return new PinfoldError(`${subject}: ${heap} is closed`, { code: 'ERR_HEAP_CLOSED', values: { heap } })
}

export function heapInUse(heap: string, blocks: number): PinfoldError {
  return new PinfoldError(`close: ${heap} has live blocks: ${blocks}`, {
    code: 'ERR_HEAP_IN_USE',
    values: { heap, blocks },
    hint: 'free them first, or call close({ force: true })',
  })
}

export function heapFull(
  subject: string,
  heap: string,
  fit: SegregatedFit,
  size: number,
  alignment: number,
): PinfoldError {
  const free = (fit.size - fit.used) * Granule.bytes
  const largestFree = fit.lists.largest() * Granule.bytes
  const aligned = alignment > Granule.bytes ? ` at a multiple of ${formatSize(alignment)}` : ''
  return new PinfoldError(
    `${subject}: ${formatSize(size)} wanted${aligned} in ${heap}, ${formatSize(free)} free, at most ${formatSize(largestFree)} of it in one block`,
    { code: 'ERR_HEAP_FULL', values: { heap, size, alignment, free, largestFree } },
  )
}

/** The error when no live block starts at `offset`. */
export function noBlock(subject: string, heap: string, fit: SegregatedFit, offset: number): PinfoldError {
  checkRange(subject, offset, 0, fit.size * Granule.bytes - 1)
  const { words } = fit.table
  const block = blockHolding(fit, Math.floor(offset / Granule.bytes))
  const start = words[block + Word.start] * Granule.bytes
  const length = words[block + Word.size] * Granule.bytes
  if (words[block + Word.state] === State.free) {
    return new PinfoldError(
      `${subject}: offset ${offset} of ${heap} is in free memory, ${start} to ${start + length}: it was freed already, or never allocated`,
      { code: 'ERR_BLOCK_FREE', values: { heap, offset, block: start, length } },
    )
  }
  return new PinfoldError(`${subject}: offset ${offset} of ${heap} is inside the block at ${start}`, {
    code: 'ERR_BLOCK_UNKNOWN',
    values: { heap, offset, block: start, length },
  })
}

export function heapDamaged(heap: string, { offset, problem }: Damage): PinfoldError {
  return new PinfoldError(`${heap} is damaged at offset ${offset}: ${problem}`, {
    code: 'ERR_HEAP_DAMAGED',
    values: { heap, offset, problem },
  })
}

export function blockOverrun(subject: string, heap: string, offset: number, size: number, place: number): PinfoldError {
  return new PinfoldError(
    `${subject}: the block at ${offset} of ${heap} has ${size} bytes, and was written to at byte ${size + place}`,
    { code: 'ERR_BLOCK_OVERRUN', values: { heap, offset, size, written: size + place } },
  )
}
