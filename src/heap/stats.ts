/** A block of a heap, as `walk()` tells it. */
export interface HeapBlock {
  /** Where it starts in the heap's memory, in bytes. */
  readonly offset: number
  /** Bytes of the block: of a live block those that the program asked for, rounded up to a multiple of 16. */
  readonly length: number
  /** Bytes that the program asked for; 0 for a free block. */
  readonly size: number
  readonly free: boolean
}

/** The result of `heap.stats()`. */
export interface HeapStats {
  /** Bytes that the heap manages. */
  readonly size: number
  /** Bytes in live blocks, each rounded up to 16. */
  readonly used: number
  /** The most that `used` has been. */
  readonly peak: number
  /** Bytes in free blocks. */
  readonly free: number
  /** Bytes of the largest free block. */
  readonly largestFree: number
  /** Live blocks. */
  readonly blocks: number
  readonly freeBlocks: number
  /** Blocks that were allocated since the heap was opened, with those that `reallocate` moved. */
  readonly allocations: number
  /** Allocations that failed, since there was no room. */
  readonly failures: number
  /** Bytes of the table beside the memory. */
  readonly overhead: number
}
