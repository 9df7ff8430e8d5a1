import { firstBlock, Granule, State, Word } from './block-table.js'
import { cutShort } from './fit-errors.js'
import { listOf } from './free-lists.js'
import type { SegregatedFit } from './segregated-fit.js'

/** Where a heap contradicts itself. */
export interface Damage {
  /** Of the first wrong block, in bytes. */
  readonly offset: number
  readonly problem: string
}

/**
 * The first wrong block, in the order of their offsets; undefined when the heap is right. It checks each word before it
 * uses it, so it ends whatever the words are.
 *
 * @param redZone bytes that each live block has behind those that the program asked for
 * @throws PinfoldError `ERR_HEAP_DAMAGED` after a call that was interrupted
 */
export function firstDamage(fit: SegregatedFit, redZone: number): Damage | undefined {
  if (fit.changing) throw cutShort()
  const { words } = fit.table
  const listed = blocksInLists(fit)
  const indexed = blocksInIndex(fit)
  const seen = { live: 0, free: 0, used: 0 }
  let start = 0
  let before = 0
  while (start < fit.size) {
    const block = before === 0 ? firstBlock : words[before + Word.after]
    const problem = problemOf(fit, block, before, start) ?? problemOfState(fit, block, before, redZone, listed, indexed)
    if (problem !== undefined) return { offset: start * Granule.bytes, problem }
    const size = words[block + Word.size]
    const isLive = words[block + Word.state] === State.live
    seen.live += isLive ? 1 : 0
    seen.used += isLive ? size : 0
    seen.free += isLive ? 0 : 1
    start += size
    before = block
  }
  const problem =
    words[before + Word.after] === 0 ? problemOfSums(fit, seen, listed) : 'there is a block behind the last'
  return problem === undefined ? undefined : { offset: start * Granule.bytes, problem }
}

/** The problem of the words of a block that must start at `start`, behind the block `before`. */
function problemOf({ table, size: end }: SegregatedFit, block: number, before: number, start: number) {
  const { words } = table
  if (block === 0) return 'the blocks end before the heap does'
  if (block < 0 || block >= words.length || block % Word.perBlock !== 0) return `${block} is no block's number`
  const size = words[block + Word.size]
  if (words[block + Word.start] !== start) return `it starts at ${words[block + Word.start] * Granule.bytes} instead`
  if (size < 1 || size > end - start) return `it cannot have ${size * Granule.bytes} bytes`
  if (words[block + Word.before] !== before) return 'it does not know the block before it'
  return undefined
}

function problemOfState(
  fit: SegregatedFit,
  block: number,
  before: number,
  redZone: number,
  listed: ReadonlyMap<number, number>,
  indexed: ReadonlyMap<number, number>,
) {
  const { words } = fit.table
  const size = words[block + Word.size]
  const slack = words[block + Word.slackOrList] - redZone
  switch (words[block + Word.state]) {
    case State.free:
      if (words[before + Word.state] === State.free) return 'it is free, as the block before it is'
      return listed.get(block) === listOf(size) ? undefined : 'it is free, and not in the list of its size'
    case State.live:
      if (slack < 0 || slack >= Granule.bytes) return `${slack} of its bytes were not asked for`
      if (indexed.get(block) === fit.index.chainOf(words[block + Word.start])) return undefined
      return 'it is live, and not in its chain of the index'
    default:
      return `it is in no state that a block has: ${words[block + Word.state]}`
  }
}

interface Sums {
  readonly live: number
  readonly free: number
  readonly used: number
}

function problemOfSums(fit: SegregatedFit, { live, free, used }: Sums, listed: ReadonlyMap<number, number>) {
  const { table, index, lists } = fit
  if (listed.size !== free) return `${free} blocks are free, ${listed.size} in the lists`
  if (index.count !== live) return `${live} blocks are live, ${index.count} in the index`
  if (fit.used !== used) return `${used * Granule.bytes} bytes are used, ${fit.used * Granule.bytes} were counted`
  if (table.lines - table.spare !== live + free)
    return `${live + free} lines are used, ${table.spare} of ${table.lines} are not`
  for (let list = 0; list < lists.heads.length; list++) {
    if (lists.isFilled(list) !== (lists.heads[list] !== 0))
      return `the bits say wrongly whether list ${list} has blocks`
  }
  return undefined
}

// A damaged number may lead out of the table, where there is no word: `?? 0` ends the chain or list there.

/** The chain that each block is in. A chain ends where it leads to a block that was seen before. */
function blocksInIndex({ table: { words }, index }: SegregatedFit): Map<number, number> {
  const indexed = new Map<number, number>()
  for (const [chain, head] of index.heads.entries()) {
    for (let block = head; block !== 0 && !indexed.has(block); block = words[block + Word.next] ?? 0) {
      indexed.set(block, chain)
    }
  }
  return indexed
}

/** The list that each block is in. A list ends where it leads to a block that was seen before, or back to another. */
function blocksInLists({ table: { words, capacity }, lists }: SegregatedFit): Map<number, number> {
  const listed = new Map<number, number>()
  for (const [list, head] of lists.heads.entries()) {
    let previous = 0
    for (let block = head; block !== 0; block = words[block + Word.next] ?? 0) {
      if (listed.has(block) || words[block + Word.previous] !== previous || listed.size > capacity) break
      listed.set(block, list)
      previous = block
    }
  }
  return listed
}
