import { PinfoldError } from '../errors.js'
import { unreadable } from '../options.js'
import { describe } from '../sizes.js'
import { entryWord, entryWords } from './contract/work-layout.js'
import type { Device } from './device.js'
import { handleOf } from './device-object.js'
import { isRegistration, isRegistrationSlice, type Registration, type WorkMemory } from './registration.js'

/** Where the scatter entries of a batch are written to. */
export interface ScatterTarget {
  /** The call, as errors name it. */
  readonly subject: string
  readonly device: Device
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
  if (isRegistrationSlice(memory)) {
    const { registration, offset, length } = memory
    requireUsable(target, registration, length)
    const { words } = target
    words[at + entryWord.registration] = handleOf(registration)
    words[at + entryWord.length] = length
    words[at + entryWord.offset] = offset
    words[at + entryWord.offset + 1] = offset < 2 ** 32 ? 0 : offset / 2 ** 32
  } else if (isRegistration(memory)) {
    const { length } = memory
    requireUsable(target, memory, length)
    const { words } = target
    words[at + entryWord.registration] = handleOf(memory)
    words[at + entryWord.length] = length
    words[at + entryWord.offset] = 0
    words[at + entryWord.offset + 1] = 0
  } else {
    throw new PinfoldError(
      `${target.subject}: memory: expected a Registration or a RegistrationSlice, received ${describe(memory)}`,
      { code: 'ERR_INVALID_ARGUMENT', values: { received: memory } },
    )
  }
}

function requireUsable({ subject, device }: ScatterTarget, registration: Registration, length: number): void {
  registration.requireOpen(subject)
  if (registration.device !== device) {
    throw new PinfoldError(
      `${subject}: ${registration.label} is with ${registration.device.name}, not with ${device.name}`,
      { code: 'ERR_DOMAIN_MISMATCH', values: { object: registration.label, device: device.name } },
    )
  }
  if (length > 2 ** 31) {
    throw new PinfoldError(`${subject}: memory: expected at most 2 GiB in an entry, received ${length} bytes`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { length },
    })
  }
}

function tooMany({ subject, most }: ScatterTarget, entries: number): PinfoldError {
  return new PinfoldError(`${subject}: memory: expected at most ${most} entries, received ${entries}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { entries, most },
    hint: 'create the queue with more: sendEntries, receiveEntries, entries',
  })
}
