import type { Benchmark } from './benchmark.js'
import { copy } from './copy.js'
import { tlb } from './tlb.js'

/** All of them, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [tlb, copy]

export const benchmarkNames: readonly string[] = benchmarks.map(({ name }) => name)
