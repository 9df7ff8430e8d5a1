import * as z from 'zod'
import { PinfoldError } from '../errors.js'
import { MappedRegion } from '../memory/mapped-region.js'
import { Slice } from '../memory/slice.js'
import { checked } from '../options.js'

/** What a heap can be opened on: all of a region, or a part of it. */
export type HeapMemory = MappedRegion | Slice

const heapMemory = z.lazy(() => z.custom<HeapMemory>(isHeapMemory, { error: 'expected a Region or a Slice' }))

/** As `instanceof`; a Proxy whose trap throws is neither. */
function isHeapMemory(value: unknown): value is HeapMemory {
  try {
    return value instanceof MappedRegion || value instanceof Slice
  } catch {
    return false
  }
}

/** A range of bytes of an open region. */
export interface MemoryPart {
  readonly region: MappedRegion
  readonly offset: number
  readonly length: number
}

/** What memory must be like, in bytes. */
export interface MemoryNeeds {
  readonly least: number
  readonly most: number
  /** A power of two that the place in the region is a multiple of. */
  readonly multiple: number
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_REGION_CLOSED` */
export function partOf(subject: string, memory: HeapMemory, needs: MemoryNeeds): MemoryPart {
  const value = checked(`${subject}: memory`, heapMemory, memory)
  const part = value instanceof Slice ? value : { region: value, offset: 0, length: value.size }
  const { region, offset, length } = part
  region.core.requireOpen(subject)
  if (length < needs.least || length > needs.most) {
    throw unfit(subject, `expected from ${needs.least} to ${needs.most} bytes, received ${length}`, { length })
  }
  if (offset % needs.multiple !== 0) {
    throw unfit(subject, `expected a slice at a multiple of ${needs.multiple}, received one at ${offset}`, { offset })
  }
  return { region, offset, length }
}

function unfit(subject: string, problem: string, values: Readonly<Record<string, number>>): PinfoldError {
  return new PinfoldError(`${subject}: memory: ${problem}`, { code: 'ERR_INVALID_ARGUMENT', values })
}
