import * as z from 'zod'
import { PinfoldError } from '../errors.js'
import { coreOf, isRegion, type MappedRegion } from '../memory/mapped-region.js'
import { isSlice, type Slice } from '../memory/slice.js'
import { checked } from '../options.js'
import type { MemoryRange } from './contract/device-calls.js'

/** What can be registered: all of a region, or a part of it, to the byte. */
export type RegistrableMemory = MappedRegion | Slice

export const registrableMemory = z.custom<RegistrableMemory>(isRegistrable, { error: 'expected a Region or a Slice' })

function isRegistrable(value: unknown): value is RegistrableMemory {
  return isRegion(value) || isSlice(value)
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_REGION_CLOSED` */
export function rangeOf(subject: string, memory: RegistrableMemory): MemoryRange {
  if (!isRegistrable(memory)) checked(`${subject}: memory`, registrableMemory, memory)
  const { region, offset, length } = isSlice(memory) ? memory : { region: memory, offset: 0, length: memory.size }
  const core = coreOf(region)
  core.requireOpen(subject)
  if (length > 0) return { core, offset, length }
  throw new PinfoldError(`${subject}: memory: expected at least one byte of region '${region.name}', received none`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { length },
  })
}
