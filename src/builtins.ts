/**
 * Builtin functions as they were when this was imported. A loop that ends by what one of them says ends also in a program
 * that replaces it later.
 */
export const atomicLoad = Atomics.load
export const atomicStore = Atomics.store
export const atomicAdd = Atomics.add
export const compareExchange = Atomics.compareExchange
export const atomicWait = Atomics.wait
export const { clz32, max, min } = Math
/** Milliseconds since this process started. */
export const now: () => number = performance.now.bind(performance)
