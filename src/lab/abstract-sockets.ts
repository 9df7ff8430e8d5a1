import { readFileSync } from 'node:fs'

/** sun_path of unix(7), less the NUL that an abstract name begins with. */
const longest = 107

/**
 * The name of an abstract socket, filled up to the longest that there is: some programs always use all of sun_path, others
 * only the name, and so both mean the same.
 */
export function abstractName(name: string): string {
  return name.padEnd(longest, '-')
}

/** Whether somebody listens on it. */
export function isListening(name: string): boolean {
  return readFileSync('/proc/net/unix', 'latin1').includes(`@${abstractName(name)}`)
}
