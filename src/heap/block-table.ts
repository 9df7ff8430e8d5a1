import { min } from '../builtins.js'

// Enums where constants would do: esbuild writes their numbers into the code, while V8 reads a constant of the bundle from
// memory each time, which took a fifth of an allocation.

/** The unit in which a heap counts: a block has a multiple of it, and starts at one. */
export enum Granule {
  bytes = 16,
  bits = 4,
}

/**
 * The words of a block's line in the table, eight of them: half a cache line.
 *
 * A block's number is the index of its first word. 0 is no block: its line is a place to write to where there is no
 * neighbour, and nothing of it is read but its state, which stays `live`.
 */
export enum Word {
  /** Where it starts, in granules. */
  start,
  /** Granules. */
  size,
  /** The block that ends where it starts; 0 for the first. */
  before,
  /** The block that starts where it ends; 0 for the last. */
  after,
  /** Of a free block the next of its list, of a live one that of its chain in the index, of an unused line the next; or 0. */
  next,
  /** Of a free block, the previous of its list; 0 for the first. */
  previous,
  /** A `State`. */
  state,
  /** Of a live block the bytes at its end that were not asked for, of a free one its list. */
  slackOrList,
  perBlock,
}

export enum State {
  live,
  free,
  /** A line that is no block. */
  unused,
}

/** The block that starts at 0. What is split or joined keeps the number of its lower part, so this one never changes. */
export const firstBlock = 8

/** What int32 numbers name. */
const mostLines = 2 ** 28 - 1

/** Lines of a table when one of so many is full: twice as many. @throws RangeError when there are no numbers for more */
export function linesAfter(lines: number): number {
  if (lines >= mostLines) throw new RangeError(`more than ${mostLines} blocks`)
  return min(2 * lines, mostLines)
}

/**
 * The blocks of a heap in the order of their places, each a line of words beside the memory.
 *
 * Its fields are plain, as are those of its neighbours in this folder: V8 takes longer for private ones, and all of them
 * are touched in every allocation.
 */
export class BlockTable {
  words: Int32Array
  /** The first of the lines that are not used, 0 when there is none. */
  unused = 0
  /** Lines that are not used. */
  spare = 0
  /** Blocks that it can hold. */
  capacity: number

  /** @throws RangeError when there is no memory for so many lines */
  constructor(lines: number) {
    this.words = new Int32Array((lines + 1) * Word.perBlock)
    this.capacity = lines
    this.hang(1)
  }

  /** The words with twice the lines. @throws RangeError when there is no memory for so many, or no numbers */
  doubled(): Int32Array {
    const words = new Int32Array((linesAfter(this.capacity) + 1) * Word.perBlock)
    words.set(this.words)
    return words
  }

  /** Has what `doubled` gave from now on. */
  grow(words: Int32Array): void {
    const had = this.capacity
    this.words = words
    this.capacity = linesAfter(had)
    this.hang(had + 1)
  }

  /**
   * Cuts a block after `size` granules, and returns what is behind the cut, in no state yet.
   *
   * It takes a line, and there must be one: whoever is about to change blocks sees to that first, so that a shortage
   * changes nothing.
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

  /** Joins a block with the one after it, whose line is given back. */
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

  /** Hangs the lines from number `first` on up, so that the lowest is taken first. */
  private hang(first: number): void {
    const words = this.words
    for (let line = this.capacity * Word.perBlock; line >= first * Word.perBlock; line -= Word.perBlock) {
      words[line + Word.state] = State.unused
      words[line + Word.next] = this.unused
      this.unused = line
      this.spare += 1
    }
  }
}
