import { requestOpcodes } from '../contract/operations.js'
import type { DeferredCopies } from './copies.js'
import { Segments } from './segments.js'
import type { LoadedSend } from './send-request.js'

const [first] = new Uint8Array(Uint32Array.of(1).buffer)
/** Index of the lower half among the two 32-bit words of a 64-bit word, in this machine's byte order. */
const low = first === 1 ? 0 : 1
const high = 1 - low

/** The operation and the operands of an atomic request. */
type Operands = Pick<LoadedSend, 'opcode' | 'compareLow' | 'compareHigh' | 'swapLow' | 'swapHigh'>

/** Carries atomics out. It keeps one 64-bit word, and its former value. */
export class AtomicUnit {
  readonly #word = new Uint32Array(2)
  readonly #before = new Uint32Array(2)
  readonly #wordBytes: Segments
  readonly #beforeBytes: Segments

  constructor(copies: DeferredCopies) {
    this.#wordBytes = new Segments(copies)
    this.#wordBytes.add(new Uint8Array(this.#word.buffer), 0, 8)
    this.#beforeBytes = new Segments(copies)
    this.#beforeBytes.add(new Uint8Array(this.#before.buffer), 0, 8)
  }

  /**
   * Changes 8 bytes as an atomic request says. The change is atomic among the requests of this thread, as on a device
   * it is among the requests of that device (HCA). Accesses of other threads may come between.
   *
   * @returns the former value
   */
  apply(target: Segments, send: Operands): Segments {
    const word = this.#word
    target.copyTo(this.#wordBytes, 8)
    this.#before.set(word)
    if (send.opcode === requestOpcodes.byName.fetchAndAdd) {
      const sum = (word[low] ?? 0) + send.compareLow
      word[low] = sum
      word[high] = (word[high] ?? 0) + send.compareHigh + (sum >= 2 ** 32 ? 1 : 0)
    } else {
      if (word[low] !== send.compareLow || word[high] !== send.compareHigh) return this.#beforeBytes
      word[low] = send.swapLow
      word[high] = send.swapHigh
    }
    this.#wordBytes.copyTo(target, 8)
    return this.#beforeBytes
  }
}
