import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

/**
 * Collects garbage and lets finalizers run, until `done` is true or about 100 rounds have passed. Returns whether
 * `done` became true. Finalizers run in tasks of their own, so each round ends with a turn of the event loop.
 */
export async function collected(done: () => boolean): Promise<boolean> {
  if (typeof collect !== 'function') throw new Error('this Node gives no gc')
  for (let round = 0; round < 100; round++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
    if (done()) return true
  }
  return false
}
