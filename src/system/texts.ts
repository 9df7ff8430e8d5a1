import { formatSize } from '../sizes.js'

/** '512 pages of 2 MiB', or '512 more pages of 2 MiB' */
export function pagesText(pages: number, pageSize: number, more: '' | 'more ' = ''): string {
  return `${pages} ${more}${pages === 1 ? 'page' : 'pages'} of ${spaced(pageSize)}`
}

/** '2 MiB': a size in a sentence. */
export function spaced(bytes: number): string {
  return formatSize(bytes).replace(/(?=[A-Z])/, ' ')
}

/** ' on node 1', ' on nodes 0-1', or nothing for any node. */
export function nodesText(nodes: string): string {
  if (nodes === '') return ''
  return /^\d+$/.test(nodes) ? ` on node ${nodes}` : ` on nodes ${nodes}`
}
