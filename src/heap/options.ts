import * as z from 'zod/mini'
import { later, optionsOf } from '../options.js'

const mostBlocks = 2 ** 26

export const heapOptions = later(() =>
  optionsOf<HeapOptions>()({
    blocks: z.optional(z.int().check(z.minimum(1), z.maximum(mostBlocks))),
    redZones: z.optional(z.boolean()),
  }),
)

/** The options of `createHeap`. */
export interface HeapOptions {
  /**
   * For how many blocks, live and free, the table has room at first, 1 to 2^26. The room takes 40 to 48 bytes a block
   * beside the memory, from when it is used. When the table is full, an allocation doubles the room, which takes about
   * a millisecond. Default: 256.
   */
  readonly blocks?: number | undefined
  /**
   * Whether 16 bytes or more lie behind each block that no program may write to, and that `free`, `reallocate` and
   * `check` check. They find a program that writes past an end. They make these calls, and `allocate`, slower by some
   * 100 ns. Default: false.
   */
  readonly redZones?: boolean | undefined
}

export const closeOptions = later(() => optionsOf<HeapCloseOptions>()({ force: z.optional(z.boolean()) }))

/** The options of a heap's `close`. */
export interface HeapCloseOptions {
  /** Whether live blocks are forgotten. Default: false, so that `close` refuses while there are any. */
  readonly force?: boolean | undefined
}
