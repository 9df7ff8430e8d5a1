import type { MachineStep } from '../demo/report.js'
import type { Distribution } from './distribution.js'

/** What one run measured: `pinfold bench --json`. Sizes are bytes, figures in the unit that stands beside them. */
export interface BenchReport {
  readonly schema: 'pinfold/bench/1'
  readonly machine: MachineStep & {
    readonly cpu: string
    readonly cpus: number
    /** Programs that wanted a processor in the minute before the run, and in the one before its end. */
    readonly load: { readonly before: number; readonly after: number }
  }
  readonly quick: boolean
  readonly benchmarks: readonly BenchmarkReport[]
}

export interface BenchmarkReport {
  /** 'tlb', 'copy', 'pool', 'buffers' */
  readonly name: string
  readonly about: string
  /** What is varied: the `size` of points. */
  readonly varied: string
  readonly variedIn: 'bytes' | 'elements'
  readonly measured: string
  /** Of medians and spreads: 'ns', 'GiB/s'. */
  readonly unit: string
  readonly series: readonly Series[]
  /** Kinds of pages that could not be had, and why. */
  readonly passedOver: readonly {
    readonly pages: string
    readonly code: string
    readonly reason: string
    readonly hint: string | null
  }[]
  readonly seconds: number
}

/** One kind of pages. */
export interface Series {
  /** 'base', 'transparent', '2MiB' */
  readonly pages: string
  /** Bytes of the region. */
  readonly regionSize: number
  /** The share of it that is on huge pages, by smaps: 0 to 1. */
  readonly hugeShare: number
  /** Pages that were put into the pool for this run. */
  readonly borrowed: number
  readonly points: readonly Point[]
}

export interface Point extends Distribution {
  /** What is varied, in `variedIn`. */
  readonly size: number
  /** How many were taken. */
  readonly samples: number
}
