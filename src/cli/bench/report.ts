import type { MachineStep } from '../demo/report.js'
import type { Distribution } from './distribution.js'

/** The results of one run: `pinfold bench --json`. Sizes are bytes, and figures are in the unit beside them. */
export interface BenchReport {
  readonly schema: 'pinfold/bench/1'
  readonly machine: MachineStep & {
    readonly cpu: string
    readonly cpus: number
    /**
     * The number of programs that wanted a processor, on average: in the last minute before the run, and in the last
     * minute of the run.
     */
    readonly load: { readonly before: number; readonly after: number }
  }
  readonly quick: boolean
  readonly benchmarks: readonly BenchmarkReport[]
}

export interface BenchmarkReport {
  /** 'tlb', 'copy', 'pool', 'buffers' */
  readonly name: string
  readonly about: string
  /** The quantity that is varied: the `size` of points. */
  readonly varied: string
  readonly variedIn: 'bytes' | 'elements'
  readonly measured: string
  /** The unit of medians and spreads: 'ns', 'GiB/s'. */
  readonly unit: string
  readonly series: readonly Series[]
  /** Kinds of pages that were not available, and the reasons. */
  readonly passedOver: readonly {
    readonly pages: string
    readonly code: string
    readonly reason: string
    readonly hint: string | null
  }[]
  readonly seconds: number
}

/** The results of one kind of pages. */
export interface Series {
  /** 'base', 'transparent', '2MiB' */
  readonly pages: string
  /** Bytes of the region. */
  readonly regionSize: number
  /** The share of the region that is on huge pages, from smaps: 0 to 1. */
  readonly hugeShare: number
  /** Pages that were added to the hugepage pool for this run. */
  readonly borrowed: number
  readonly points: readonly Point[]
}

export interface Point extends Distribution {
  /** The value of the varied quantity, in `variedIn`. */
  readonly size: number
  /** The number of samples that were taken. */
  readonly samples: number
}
