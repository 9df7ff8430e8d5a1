import { requestOpcodes } from '../contract/operations.js'
import { Segments } from './segments.js'
import type { LoadedSend } from './send-request.js'

// One 64-bit word in this machine's byte order, and what was there before.
const word = new Uint32Array(2)
const wordBytes = new Segments()
wordBytes.add(new Uint8Array(word.buffer), 0, 8)
const before = new Uint32Array(2)
const beforeBytes = new Segments()
beforeBytes.add(new Uint8Array(before.buffer), 0, 8)

const [first] = new Uint8Array(Uint32Array.of(1).buffer)
/** Which of the two 32-bit words is the lower half. */
const low = first === 1 ? 0 : 1
const high = 1 - low

/**
 * Changes 8 bytes as an atomic request says. Atomic among this thread's requests, as a device's are among its own (HCA);
 * other threads' accesses may come between.
 *
 * @returns what was there
 */
export function atomically(target: Segments, send: LoadedSend): Segments {
  target.copyTo(wordBytes, 8)
  before.set(word)
  if (send.opcode === requestOpcodes.byName.fetchAndAdd) {
    const sum = (word[low] ?? 0) + send.compareLow
    word[low] = sum
    word[high] = (word[high] ?? 0) + send.compareHigh + (sum >= 2 ** 32 ? 1 : 0)
  } else {
    if (word[low] !== send.compareLow || word[high] !== send.compareHigh) return beforeBytes
    word[low] = send.swapLow
    word[high] = send.swapHigh
  }
  wordBytes.copyTo(target, 8)
  return beforeBytes
}
