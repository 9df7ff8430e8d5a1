import { atomicLoad, atomicStore } from '../builtins.js'

/**
 * How one thread's stores become another's. x86-64 keeps stores in the order of the program, and loads too, so a plain
 * store of an index publishes what was written before it; V8 does not reorder accesses of typed arrays either. Elsewhere,
 * as on arm64, only Atomics do: 7 ns each, since V8 calls a function for them.
 *
 * Chosen once, at load. `PINFOLD_PUBLICATION=atomic` in the environment chooses Atomics on any processor, for tests.
 */
export const isPlain = process.arch === 'x64' && process.env.PINFOLD_PUBLICATION !== 'atomic'

/** Stores `value`; whoever sees it sees all that this thread has written before. */
export function publish(words: Int32Array, at: number, value: number): void {
  if (isPlain) words[at] = value
  else atomicStore(words, at, value)
}

/** What another thread has published, and with it all that it had written before. */
export function published(words: Int32Array, at: number): number {
  return isPlain ? words[at] : atomicLoad(words, at)
}
