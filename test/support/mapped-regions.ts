import { readFileSync } from 'node:fs'

/** The names of this process's regions that have pages, as /proc/self/maps shows them, each once. */
export function mappedRegions(): string[] {
  const maps = readFileSync('/proc/self/maps', 'latin1')
  return [...new Set([...maps.matchAll(/pinfold:(\S+)/g)].map(([, name = '']) => name))].sort()
}
