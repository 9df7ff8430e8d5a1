import { atomicLoad, atomicStore } from '../builtins.js'

/**
 * How the stores of one thread become visible to another. x86-64 keeps stores in the order of the program, and loads
 * too, so a plain store of an index publishes all that was written before it. V8 does not reorder accesses to typed
 * arrays either. On other processors, such as arm64, only Atomics keep the order. They take 7 ns each, since V8 calls a
 * function.
 *
 * In this and the other files, a label R names a store that publishes (release), and the label A of the same number
 * names the loads that pair with it (acquire): a thread whose load A sees the store R also sees all that came before R.
 *
 * The choice is made once, at load. `PINFOLD_PUBLICATION=atomic` in the environment chooses Atomics on any processor,
 * for tests.
 */
export const isPlain = process.arch === 'x64' && process.env.PINFOLD_PUBLICATION !== 'atomic'

/** Stores `value` as an R: a thread that sees it sees all that this thread wrote before. */
export function publish(words: Int32Array, at: number, value: number): void {
  if (isPlain) words[at] = value
  else atomicStore(words, at, value)
}

/** Loads as an A: what another thread published, and with it all that it wrote before. */
export function published(words: Int32Array, at: number): number {
  return isPlain ? words[at] : atomicLoad(words, at)
}
