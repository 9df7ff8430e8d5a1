import { PinfoldError } from '../errors.js'
import { unreadable } from '../options.js'
import { describe } from '../sizes.js'
import { entryWords } from './contract/work-layout.js'
import type { Device } from './device.js'
import { closedObject, type DeviceInternals } from './device-object.js'
import { isRegistration } from './registration.js'
import {
  asSlice,
  isRegistrationSlice,
  type RegistrationSlice,
  type WorkMemory,
  writeSlice,
} from './registration-slice.js'

/** Where the scatter entries of a batch are written to. */
export interface ScatterTarget {
  /** The call, as errors name it. */
  readonly subject: string
  readonly device: Device
  readonly internals: DeviceInternals
  readonly words: Uint32Array
  /** Entries of one request. */
  readonly most: number
}

/**
 * Writes the scatter entries of a request, from word `at` on.
 *
 * @returns how many there are
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` (too many entries, or more than 2 GiB in one),
 *   `ERR_OBJECT_CLOSED`, `ERR_DOMAIN_MISMATCH` for a registration with another device
 */
export function writeEntries(target: ScatterTarget, at: number, memory: WorkMemory | readonly WorkMemory[]): number {
  // Most requests have one slice. Reading that runs no code of the program, as reading an array may.
  if (isRegistrationSlice(memory)) {
    if (target.most === 0) throw tooMany(target, 1)
    if (!writeSlice(memory, target.internals, target.words, at)) throw unusable(target, memory)
    return 1
  }
  try {
    return writeAll(target, at, memory)
  } catch (error) {
    throw error instanceof PinfoldError ? error : unreadable(`${target.subject}: memory`, memory, error)
  }
}

function writeAll(target: ScatterTarget, at: number, memory: WorkMemory | readonly WorkMemory[]): number {
  if (!Array.isArray(memory)) {
    if (target.most === 0) throw tooMany(target, 1)
    writeEntry(target, at, memory)
    return 1
  }
  const { length } = memory
  if (length > target.most) throw tooMany(target, length)
  for (let index = 0; index < length; index++) writeEntry(target, at + index * entryWords, memory[index])
  return length
}

/** The range of a slice was checked to lie in its registration when the slice was made. */
function writeEntry(target: ScatterTarget, at: number, memory: unknown): void {
  if (!isRegistrationSlice(memory) && !isRegistration(memory)) throw noMemory(target.subject, memory)
  const slice = asSlice(memory)
  if (!writeSlice(slice, target.internals, target.words, at)) throw unusable(target, slice)
}

/** Writes one entry: the first `length` bytes of memory that has as many. @throws PinfoldError as `writeEntries` */
export function writeFirst(target: ScatterTarget, at: number, memory: WorkMemory, length: number): void {
  if (target.most === 0) throw tooMany(target, 1)
  const slice = asSlice(memory)
  if (!writeSlice(slice, target.internals, target.words, at, length)) throw unusable(target, slice)
}

export function noMemory(subject: string, received: unknown): PinfoldError {
  const message = `${subject}: memory: expected a Registration or a RegistrationSlice, received ${describe(received)}`
  return new PinfoldError(message, { code: 'ERR_INVALID_ARGUMENT', values: { received } })
}

/** Why no request of this device may use a slice. */
function unusable({ subject, device }: ScatterTarget, { registration, length }: RegistrationSlice): PinfoldError {
  if (registration.closed) return closedObject(subject, registration.label)
  if (registration.device !== device) {
    return new PinfoldError(
      `${subject}: ${registration.label} is with ${registration.device.name}, not with ${device.name}`,
      { code: 'ERR_DOMAIN_MISMATCH', values: { object: registration.label, device: device.name } },
    )
  }
  return new PinfoldError(`${subject}: memory: expected at most 2 GiB in an entry, received ${length} bytes`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { length },
  })
}

function tooMany({ subject, most }: ScatterTarget, entries: number): PinfoldError {
  return new PinfoldError(`${subject}: memory: expected at most ${most} entries, received ${entries}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { entries, most },
    hint: 'create the queue with more: sendEntries, receiveEntries, entries',
  })
}
