import { PinfoldError } from '../errors.js'
import { unreadable } from '../options.js'
import { describe } from '../sizes.js'
import { entryWord, entryWords } from './contract/work-layout.js'
import type { Device } from './device.js'
import { handleOf } from './device-object.js'
import { isRegistration, isRegistrationSlice, type Registration, type WorkMemory } from './registration.js'

/**
 * Writes scatter entries into a batch.
 *
 * @param at the word where the first entry starts
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` (too many entries), `ERR_OBJECT_CLOSED`,
 *   `ERR_DOMAIN_MISMATCH` for a registration with another device
 */
export function writeEntries(
  subject: string,
  device: Device,
  words: Uint32Array,
  at: number,
  most: number,
  memory: WorkMemory | readonly WorkMemory[],
): number {
  try {
    return entriesInto(subject, device, words, at, most, memory)
  } catch (error) {
    throw error instanceof PinfoldError ? error : unreadable(`${subject}: memory`, memory, error)
  }
}

function entriesInto(
  subject: string,
  device: Device,
  words: Uint32Array,
  at: number,
  most: number,
  memory: WorkMemory | readonly WorkMemory[],
): number {
  if (!Array.isArray(memory)) {
    if (most === 0) throw tooMany(subject, 1, most)
    writeEntry(subject, device, words, at, memory)
    return 1
  }
  const { length } = memory
  if (length > most) throw tooMany(subject, length, most)
  for (let index = 0; index < length; index++) {
    writeEntry(subject, device, words, at + index * entryWords, memory[index])
  }
  return length
}

/** Most requests of one batch: more than the queue of any device has. */
const mostRequests = 2 ** 16

/** What was given as one or several, in an array of our own: a caller's may change while it is looked at. */
export function listOf<Item>(subject: string, given: Item | readonly Item[]): readonly Item[] {
  let length: number
  try {
    if (!isList(given)) return [given]
    length = given.length
    // Not Array.from(), which believes a length of 2^32 - 1.
    if (length <= mostRequests) return given.slice(0, length)
  } catch (cause) {
    throw unreadable(subject, given, cause)
  }
  throw new PinfoldError(`${subject}: expected at most ${mostRequests} requests, received ${length}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { length, most: mostRequests },
  })
}

function isList<Item>(given: Item | readonly Item[]): given is readonly Item[] {
  return Array.isArray(given)
}

function writeEntry(subject: string, device: Device, words: Uint32Array, at: number, memory: unknown): void {
  if (isRegistrationSlice(memory)) {
    writeRange(subject, device, words, at, memory.registration, memory.offset, memory.length)
  } else if (isRegistration(memory)) {
    writeRange(subject, device, words, at, memory, 0, memory.length)
  } else {
    throw new PinfoldError(
      `${subject}: memory: expected a Registration or a RegistrationSlice, received ${describe(memory)}`,
      { code: 'ERR_INVALID_ARGUMENT', values: { received: memory } },
    )
  }
}

/** The offset and length were checked to lie in the registration. */
export function writeRange(
  subject: string,
  device: Device,
  words: Uint32Array,
  at: number,
  registration: Registration,
  offset: number,
  length: number,
): void {
  registration.requireOpen(subject)
  if (registration.device !== device) {
    throw new PinfoldError(
      `${subject}: ${registration.label} is with ${registration.device.name}, not ${device.name}`,
      {
        code: 'ERR_DOMAIN_MISMATCH',
        values: { object: registration.label, device: device.name },
      },
    )
  }
  if (length > 2 ** 31) {
    throw new PinfoldError(`${subject}: memory: expected at most 2 GiB in an entry, received ${length} bytes`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { length },
    })
  }
  words[at + entryWord.registration] = handleOf(registration)
  words[at + entryWord.length] = length
  words[at + entryWord.offset] = offset
  words[at + entryWord.offset + 1] = offset < 2 ** 32 ? 0 : offset / 2 ** 32
}

function tooMany(subject: string, entries: number, most: number): PinfoldError {
  return new PinfoldError(`${subject}: memory: expected at most ${most} entries, received ${entries}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { entries, most },
    hint: 'ask for more when the queue is created: sendEntries, receiveEntries, entries',
  })
}
