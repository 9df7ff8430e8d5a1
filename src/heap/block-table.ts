import { floor, min } from '../builtins.js'
import { GrowingWords } from './growing-words.js'

// Enums in place of constants: esbuild writes their numbers into the code. V8 reads a constant of the bundle from
// memory each time, which took a fifth of an allocation.

/** The unit in which a heap counts: the size and the offset of each block are multiples of it. */
export enum Granule {
  bytes = 16,
  bits = 4,
}

/**
 * The eight words of a block's line in the table: half a cache line.
 *
 * A block's number is the index of its first word. Number 0 is the sentinel, which is no block: it stands for a
 * neighbour that does not exist. Its words are scratch space, but for its state, which is read and stays `live`.
 */
export enum Word {
  /** Where the block starts, in granules. */
  start,
  /** Its size in granules. */
  size,
  /** The block before it; 0 for the first. */
  before,
  /** The block behind it; 0 for the last. */
  after,
  /** The next of the list of a free block, of the chain of a live block, or of the unused lines; 0 for the last. */
  next,
  /** The previous of the list of a free block; 0 for the first. */
  previous,
  /** A `State`. */
  state,
  /** In a live block, the bytes at its end that the program did not ask for; in a free block, its list. */
  slackOrList,
  perBlock,
}

export enum State {
  live,
  free,
  /** The line is not used by a block. */
  unused,
}

/** The block that starts at 0. Its number never changes: a split or join keeps the number of the lower part. */
export const firstBlock = 8

/** So that an int32 can be the number of each. */
export const mostLines = 2 ** 28 - 1
/** Lines that become unused lines at once. */
const hungAtOnce = 256

/** Lines that a full table has room for afterwards: twice as many. @throws RangeError when there are no numbers for more */
export function linesAfter(lines: number): number {
  if (lines >= mostLines) throw new RangeError(`more than ${mostLines} blocks`)
  return min(2 * lines, mostLines)
}

/**
 * The blocks of a heap in the order of their offsets, each a line of words beside the memory.
 *
 * Here and in the other classes that an allocation uses, the fields are plain, since V8 takes longer for `#` fields.
 */
export class BlockTable {
  words: Int32Array
  readonly room = new GrowingWords()
  /** The first unused line; 0 when there is none. */
  unused = 0
  /** How many lines are unused. */
  spare = 0
  /** Lines that are used by a block or unused. The lines behind them have not been touched yet. */
  lines = 0

  /** @throws RangeError when there is no memory for so many lines */
  constructor(capacity: number) {
    this.words = this.room.grow((capacity + 1) * Word.perBlock)
    this.hang()
  }

  /** Blocks that it has room for. */
  get capacity(): number {
    return floor(this.room.length / Word.perBlock) - 1
  }

  /** Makes room for more blocks. @throws RangeError when there is no memory; nothing is changed then */
  grow(capacity: number): void {
    this.words = this.room.grow((capacity + 1) * Word.perBlock)
  }

  /** Adds some of the lines that were not touched yet to the list of unused lines, so that the lowest is used first. */
  hang(): void {
    const words = this.words
    const had = this.lines
    this.lines = min(had + hungAtOnce, this.capacity)
    this.spare += this.lines - had
    for (let line = this.lines * Word.perBlock; line > had * Word.perBlock; line -= Word.perBlock) {
      words[line + Word.state] = State.unused
      words[line + Word.next] = this.unused
      this.unused = line
    }
  }

  /**
   * Cuts a block after `size` granules. Returns the block behind the cut, whose state the caller sets.
   *
   * There must be an unused line. The caller checks this before its first change, so that a shortage changes nothing.
   */
  split(block: number, size: number): number {
    const words = this.words
    const rest = this.unused
    const after = words[block + Word.after]
    this.unused = words[rest + Word.next]
    this.spare -= 1
    words[rest + Word.start] = words[block + Word.start] + size
    words[rest + Word.size] = words[block + Word.size] - size
    words[rest + Word.before] = block
    words[rest + Word.after] = after
    words[after + Word.before] = rest
    words[block + Word.after] = rest
    words[block + Word.size] = size
    return rest
  }

  /** Joins a block with the block behind it, whose line is unused then. */
  absorb(block: number, next: number): void {
    const words = this.words
    const after = words[next + Word.after]
    words[block + Word.size] += words[next + Word.size]
    words[block + Word.after] = after
    words[after + Word.before] = block
    words[next + Word.state] = State.unused
    words[next + Word.next] = this.unused
    this.unused = next
    this.spare += 1
  }
}
