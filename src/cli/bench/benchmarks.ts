import type { Benchmark } from './benchmark.js'
import { buffers } from './buffers.js'
import { copy } from './copy.js'
import { pool } from './pool.js'
import { tlb } from './tlb.js'

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [tlb, copy, pool, buffers]

export const benchmarkNames: readonly string[] = benchmarks.map(({ name }) => name)
