import { readdirSync, readlinkSync } from 'node:fs'

/** A path by which another process opens the memory of this one's region. */
export function descriptorPath(name: string): string {
  const number = readdirSync('/proc/self/fd').find((number) => {
    try {
      return readlinkSync(`/proc/self/fd/${number}`) === `/memfd:pinfold:${name} (deleted)`
    } catch {
      return false // the descriptor of the folder itself
    }
  })
  return `/proc/${process.pid}/fd/${number}`
}
