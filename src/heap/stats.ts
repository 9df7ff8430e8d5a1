/** A stretch of a heap, as `walk()` tells it. */
export interface HeapBlock {
  /** Where it starts in the heap's memory, in bytes. */
  readonly offset: number
  /** Bytes that it takes: of a live block what was asked for, rounded up to 16. */
  readonly length: number
  /** Bytes that were asked for; 0 of a free one. */
  readonly size: number
  readonly free: boolean
}

/** What `heap.stats()` tells. */
export interface HeapStats {
  /** Bytes that it manages. */
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
  /** Blocks that were allocated since it was opened, moved ones included. */
  readonly allocations: number
  /** Allocations that found no room. */
  readonly failures: number
  /** Bytes beside the memory that know the blocks. */
  readonly overhead: number
}
