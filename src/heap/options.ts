import * as z from 'zod'
import { optionsObject } from '../options.js'

const mostBlocks = 2 ** 26

export const heapOptions = z.lazy(() =>
  optionsObject({ blocks: z.int().min(1).max(mostBlocks).optional(), redZones: z.boolean().optional() }),
)

/**
 * - `blocks`: how many blocks it has room to know of from the start, live and free, 1 to 2^26; 256 by default. Each takes
 *   40 to 48 bytes beside the memory. When there are more the room is doubled, which an allocation then waits for: some
 *   milliseconds at a million.
 * - `redZones`: put 16 bytes or more behind each block that nobody may write to, and look at them in `free`, `reallocate`
 *   and `check`: for finding what writes past an end. It makes these, and `allocate`, slower by some 100 ns. Off by
 *   default.
 */
export type HeapOptions = z.input<typeof heapOptions>

export const closeOptions = z.lazy(() => optionsObject({ force: z.boolean().optional() }))

/** How `close()` treats live blocks: refuses (the default), or forgets them. */
export type HeapCloseOptions = z.input<typeof closeOptions>
