import { ceil, type WasmMemory, webAssembly } from '../builtins.js'
import { native } from '../native.js'

const pageBytes = 65536
const wordsPerPage = pageBytes / 4
const mostPages = 65536
/** Fewer pages are copied: this takes about a millisecond at most, and needs no range of addresses. */
const fewestPages = 4

/**
 * Words outside of the memory of a heap. They are 0 at first, and become more without being copied: they lie in a
 * WebAssembly memory, which V8 enlarges in place. This takes some microseconds at any size. An ordinary array would be
 * copied; and V8 counts its bytes, and begins a garbage collection for them.
 *
 * The memory is a shared one, though no other thread gets it. When another memory grows, V8 detaches its buffer, and
 * counts the bytes too.
 *
 * A small number of words is kept in an ordinary array. So are words for which a WebAssembly memory has no room: it ends at 4 GiB, may be
 * refused (`ulimit -v`), and is absent in a Node with --jitless.
 */
export class GrowingWords {
  words: Int32Array = new Int32Array(0)
  /** The number of words. Not read from the array, whose `length` a program may have replaced. */
  length = 0
  #memory: WasmMemory | undefined

  /** Returns the words, now at least `length` of them. @throws RangeError when there is no memory; nothing is changed */
  grow(length: number): Int32Array {
    if (length <= this.length) return this.words
    const had = this.#memory
    const pages = ceil(length / wordsPerPage)
    const memory = memoryOf(had, had === undefined ? 0 : this.length / wordsPerPage, pages)
    const words = memory === undefined ? new Int32Array(length) : new Int32Array(memory.buffer)
    if (memory === undefined || memory !== had) {
      words.set(this.words)
      this.release()
    }
    this.#memory = memory
    this.words = words
    this.length = memory === undefined ? length : pages * wordsPerPage
    return words
  }

  /**
   * Gives the pages back to the kernel; the words must not be used any more. V8 does not know how much a shared memory
   * takes, and mostly frees it late.
   */
  release(): void {
    if (this.#memory !== undefined) native.dropPages(new Uint8Array(this.#memory.buffer))
  }
}

/** The memory, or a new one, with so many pages. Undefined if there is no room for them; it is unchanged then. */
function memoryOf(had: WasmMemory | undefined, hadPages: number, pages: number): WasmMemory | undefined {
  if (webAssembly === undefined || pages < fewestPages || pages > mostPages) return undefined
  try {
    const memory = had ?? new webAssembly.Memory({ initial: 0, maximum: mostPages, shared: true })
    memory.grow(pages - hadPages)
    return memory
  } catch {
    // An ordinary array may still have room. If not, it throws. Or the program had replaced WebAssembly before it
    // imported this.
    return undefined
  }
}
