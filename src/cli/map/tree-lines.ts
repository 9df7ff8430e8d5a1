import { formatAddress } from '../../addresses.js'
import { formatSize } from '../../sizes.js'
import type { MappedPages } from '../../translate/memory-map/extents.js'
import type { PageTableLeaf, PageTableNode } from '../../translate/memory-map/page-table-tree.js'
import { formatCount } from '../output.js'

/** A line of the tree of page tables. */
export interface TreeLine {
  /** 0 for the first table. */
  readonly depth: number
  /** For each table above it, whether the line below that table is the last one; its own last. */
  readonly lasts: readonly boolean[]
  readonly text: string
  /** The kind of the pages that its entries map; undefined for a table. */
  readonly pages: MappedPages | undefined
}

/**
 * The tree of page tables, a line for each table and for each row of equal entries.
 *
 * @param most the most lines below one table; the others are counted in one more line
 */
export function treeLines(table: PageTableNode, most: number): TreeLine[] {
  return [...linesOf(table, most, [])]
}

function* linesOf(table: PageTableNode, most: number, lasts: readonly boolean[]): Generator<TreeLine, void> {
  const line = (lasts: readonly boolean[], text: string, pages?: MappedPages): TreeLine => {
    return { depth: lasts.length, lasts, text, pages }
  }
  const covered = `${table.level} table, ${formatSize(table.entryBytes)} an entry`
  yield line(lasts, lasts.length === 0 ? covered : `[${table.index}] ${covered}, from ${formatAddress(table.address)}`)
  const children = [...table.tables, ...table.leaves].sort((one, other) => one.index - other.index)
  const shown = children.length > most + 1 ? children.slice(0, most) : children
  const hidden = children.slice(shown.length)
  for (const [at, child] of shown.entries()) {
    const isLast = hidden.length === 0 && at === shown.length - 1
    if ('leaves' in child) yield* linesOf(child, most, [...lasts, isLast])
    else yield line([...lasts, isLast], leafText(child), child.pages)
  }
  if (hidden.length > 0) yield line([...lasts, true], restText(hidden))
}

function leafText({ index, entries, address, pages, pageSize, length }: PageTableLeaf): string {
  const places = entries === 1 ? `[${index}]` : `[${index}-${index + entries - 1}]`
  return `${places} ${formatCount(length / pageSize)} x ${formatSize(pageSize)} ${pages}, from ${formatAddress(address)}`
}

function restText(hidden: readonly (PageTableNode | PageTableLeaf)[]): string {
  const tables = hidden.filter((child) => 'leaves' in child).length
  const parts = [
    ...(tables > 0 ? [`${formatCount(tables)} more ${tables === 1 ? 'table' : 'tables'}`] : []),
    ...(hidden.length > tables ? [`${formatCount(hidden.length - tables)} more rows of entries`] : []),
  ]
  return `… ${parts.join(', ')}`
}
