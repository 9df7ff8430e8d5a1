import { firstBlock, Granule, State, Word } from './block-table.js'
import type { SegregatedFit } from './segregated-fit.js'
import type { HeapBlock } from './stats.js'

/** The block that contains a granule; 0 when none does. It looks at one block after the other, from the first on. */
export function blockHolding({ table: { words } }: SegregatedFit, place: number): number {
  let block = firstBlock
  while (block !== 0 && words[block + Word.start] + words[block + Word.size] <= place) {
    block = words[block + Word.after]
  }
  return block
}

/**
 * The blocks in the order of their offsets, as long as `isOpen`. If blocks change between two steps, the walk may tell
 * the change or not, but tells no byte twice.
 */
export function* walkBlocks(fit: SegregatedFit, isOpen: () => boolean): Generator<HeapBlock, void, undefined> {
  for (let block = firstBlock; block !== 0; ) {
    const told = tellBlock(fit.table.words, block)
    yield told
    if (!isOpen()) return
    block = blockBehind(fit, block, (told.offset + told.length) / Granule.bytes)
  }
}

/** The first block that starts at `end` or later. If `block` still ends there, it is the block behind it. */
function blockBehind(fit: SegregatedFit, block: number, end: number): number {
  const { words } = fit.table
  const next = words[block + Word.after]
  if (words[block + Word.state] !== State.unused && words[next + Word.start] === end) return next
  const holding = blockHolding(fit, end)
  const isBehind = holding === 0 || words[holding + Word.start] >= end
  return isBehind ? holding : words[holding + Word.after]
}

function tellBlock(words: Int32Array, block: number): HeapBlock {
  const free = words[block + Word.state] === State.free
  const length = words[block + Word.size] * Granule.bytes
  return {
    offset: words[block + Word.start] * Granule.bytes,
    length,
    size: free ? 0 : length - words[block + Word.slackOrList],
    free,
  }
}
