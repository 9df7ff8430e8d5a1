import * as z from 'zod'
import { optionsObject } from '../options.js'

const mostBlocks = 2 ** 26

export const heapOptions = z.lazy(() =>
  optionsObject({ blocks: z.int().min(1).max(mostBlocks).optional(), redZones: z.boolean().optional() }),
)

/**
 * - `blocks`: for how many blocks, live and free, the table has room at first, 1 to 2^26; 256 by default. A block takes
 *   40 to 48 bytes beside the memory. When the table is full, an allocation doubles it, which takes some milliseconds
 *   at a million blocks.
 * - `redZones`: put 16 bytes or more behind each block that no program may write to, and check them in `free`,
 *   `reallocate` and `check`. They find a program that writes past an end. They make these calls, and `allocate`,
 *   slower by some 100 ns. Off by default.
 */
export type HeapOptions = z.input<typeof heapOptions>

export const closeOptions = z.lazy(() => optionsObject({ force: z.boolean().optional() }))

/** How `close()` treats live blocks: refuses (the default), or forgets them. */
export type HeapCloseOptions = z.input<typeof closeOptions>
