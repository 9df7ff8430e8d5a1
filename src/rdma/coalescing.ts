import { requestOpcodes, sendFlags } from './contract/operations.js'
import { entryWord, sendHeaderWords, sendWord } from './contract/work-layout.js'
import type { QueuePair } from './queue-pair.js'
import { longestEntry } from './registration-slice.js'

const { write, read } = requestOpcodes.byName

/** The most bytes of a message, through any port of the device. Soft-RoCE takes 8 MiB, most devices 1 or 2 GiB. */
export function longestMessage({ device }: QueuePair): number {
  return device.ports.reduce((least, { maxMessageSize }) => Math.min(least, maxMessageSize), longestEntry)
}

/**
 * Joins the request of one entry at word `at` with the one before it, at word `before`, if both are of the same operation and
 * adjacent at both ends. The one before must be unsignaled, since its completion would be missing. The joined request has the
 * id and the flags of the later one.
 *
 * @param longest the most bytes of the joined request
 * @returns false, with nothing changed, if they cannot be joined
 */
export function joined(words: Uint32Array, before: number, at: number, longest: number): boolean {
  const entryBefore = before + sendHeaderWords
  const entry = at + sendHeaderWords
  const length = words[entryBefore + entryWord.length] ?? 0
  const more = words[entry + entryWord.length] ?? 0
  const flags = words[at + sendWord.flags] ?? 0
  const opcode = words[at + sendWord.opcode] ?? 0
  const isJoinable =
    words[before + sendWord.flags] === 0 &&
    (flags & ~sendFlags.signaled) === 0 &&
    words[before + sendWord.opcode] === opcode &&
    (opcode === write || opcode === read) &&
    words[at + sendWord.entries] === 1 &&
    words[before + sendWord.entries] === 1 &&
    words[before + sendWord.rkey] === words[at + sendWord.rkey] &&
    words[entryBefore + entryWord.registration] === words[entry + entryWord.registration] &&
    length + more <= longest &&
    isAdjacent(words, entryBefore + entryWord.offset, entry + entryWord.offset, length) &&
    isAdjacent(words, before + sendWord.remoteAddress, at + sendWord.remoteAddress, length)
  if (!isJoinable) return false
  words[entryBefore + entryWord.length] = length + more
  words[before + sendWord.id] = words[at + sendWord.id] ?? 0
  words[before + sendWord.id + 1] = words[at + sendWord.id + 1] ?? 0
  words[before + sendWord.flags] = flags
  return true
}

/** Whether the 64-bit number at word `later` is the one at word `earlier` plus `length`. */
function isAdjacent(words: Uint32Array, earlier: number, later: number, length: number): boolean {
  const low = (words[earlier] ?? 0) + length
  const carry = low < 2 ** 32 ? 0 : 1
  if (words[later] !== low - carry * 2 ** 32) return false
  return words[later + 1] === (words[earlier + 1] ?? 0) + carry
}
