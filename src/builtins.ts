/**
 * Built-in functions, as they were when this file was imported. A loop whose end depends on one of them also ends in a
 * program that replaces that function later.
 */
export const atomicLoad = Atomics.load
export const atomicStore = Atomics.store
export const atomicAdd = Atomics.add
export const compareExchange = Atomics.compareExchange
export const atomicWait = Atomics.wait
export const { clz32, max, min } = Math
/** Milliseconds since this process started. */
export const now: () => number = performance.now.bind(performance)
