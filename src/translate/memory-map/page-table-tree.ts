import type { VirtualAddress } from '../../addresses.js'
import type { Extent, MappedPages } from './extents.js'
import { type Level, type LevelName, levelOfPage } from './levels.js'

/** Entries in a row of a page table that map pages of one kind. */
export interface PageTableLeaf {
  /** Number of the first entry in its table. */
  readonly index: number
  /** The number of entries. */
  readonly entries: number
  /** Virtual address of the first byte. */
  readonly address: VirtualAddress
  /** Bytes. */
  readonly length: number
  readonly pages: MappedPages
  /** Bytes of a page. */
  readonly pageSize: number
}

/** A page table: its entries that point to tables of the next level, and its entries that map pages. */
export interface PageTableNode {
  readonly level: LevelName
  /** Number of the entry that points to it, in the table above; 0 for the first table. */
  readonly index: number
  /** Virtual address of the first byte that the table covers. */
  readonly address: VirtualAddress
  /** Bytes that one entry covers. */
  readonly entryBytes: number
  /** In the order of their entries. */
  readonly tables: readonly PageTableNode[]
  /** In the order of their entries. */
  readonly leaves: readonly PageTableLeaf[]
}

/**
 * The page tables that map the extents, which are in the order of their addresses. Tables without a present page are
 * left out.
 */
export function pageTableTree(extents: readonly Extent[], levels: readonly Level[]): PageTableNode {
  return new TreeBuilder(extents, levels).table(0, 0, Number.POSITIVE_INFINITY)
}

class TreeBuilder {
  readonly #extents: readonly Extent[]
  readonly #levels: readonly Level[]
  #next = 0
  /** The part of the next extent that is already in a table, in bytes. */
  #done = 0

  constructor(extents: readonly Extent[], levels: readonly Level[]) {
    this.#extents = extents
    this.#levels = levels
  }

  /** Takes all extents below `end` into one table that starts at `start`. */
  table(depth: number, start: number, end: number, index = 0): PageTableNode {
    const level = this.#levels[depth]
    if (level === undefined) throw new Error(`there is no level ${depth} of page tables`)
    const tables: PageTableNode[] = []
    const leaves: PageTableLeaf[] = []
    for (let extent = this.#current(); extent !== undefined; extent = this.#current()) {
      const address = extent.address + this.#done
      if (address >= end) break
      const entry = Math.floor((address - start) / level.entryBytes)
      if (levelOfPage(extent.pageSize, this.#levels) === level) {
        const length = Math.min(extent.length - this.#done, end - address)
        addLeaf(leaves, leafOf(extent, entry, address, length, level))
        this.#take(length)
      } else {
        const entryStart = start + entry * level.entryBytes
        tables.push(this.table(depth + 1, entryStart, entryStart + level.entryBytes, entry))
      }
    }
    return { level: level.name, index, address: BigInt(start), entryBytes: level.entryBytes, tables, leaves }
  }

  #current(): Extent | undefined {
    return this.#extents[this.#next]
  }

  #take(length: number): void {
    this.#done += length
    if (this.#done < (this.#current()?.length ?? 0)) return
    this.#next++
    this.#done = 0
  }
}

function leafOf(extent: Extent, index: number, address: number, length: number, level: Level): PageTableLeaf {
  const { pages, pageSize } = extent
  return { index, entries: length / level.entryBytes, address: BigInt(address), length, pages, pageSize }
}

function addLeaf(leaves: PageTableLeaf[], leaf: PageTableLeaf): void {
  const last = leaves.at(-1)
  const follows =
    last !== undefined &&
    last.index + last.entries === leaf.index &&
    last.pages === leaf.pages &&
    last.pageSize === leaf.pageSize
  if (!follows) {
    leaves.push(leaf)
    return
  }
  const { entries, length } = last
  leaves[leaves.length - 1] = { ...last, entries: entries + leaf.entries, length: length + leaf.length }
}
