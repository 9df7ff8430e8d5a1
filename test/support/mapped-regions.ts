import { readFileSync } from 'node:fs'

/** The names of this process's regions with pages, as in /proc/self/maps, each once. */
export function mappedRegions(): string[] {
  const maps = readFileSync('/proc/self/maps', 'latin1')
  return [...new Set([...maps.matchAll(/pinfold:(\S+)/g)].map(([, name = '']) => name))].sort()
}
