import type { Region } from '../../registry/region.js'
import type { Probe } from './sampling.js'

/** One benchmark of `pinfold bench`. It runs on regions of every kind of pages. */
export interface Benchmark {
  readonly name: string
  /** One line about what is done and what is counted. */
  readonly about: string
  /** The quantity that is varied: the heading of the first column, and the name of the chart's axis. */
  readonly varied: string
  readonly variedIn: 'bytes' | 'elements'
  /** The quantity that is measured, and its unit for people. */
  readonly measured: string
  readonly unit: string
  /** The values of the varied quantity: by default, and with --quick. */
  readonly sizes: readonly number[]
  readonly quickSizes: readonly number[]
  /** The sizes that it can measure; `text` describes them in the error about another size. */
  readonly accepts: { readonly text: string; accepts(size: number): boolean }
  /** The bytes that a region needs for sizes of up to `largest`. */
  regionSize(largest: number): number
  /** Prepares one size. The returned function prepares that size on one region. */
  prepare(size: number): (region: Region) => Probe
  /** Makes a figure in `unit` of the seconds that one round takes. */
  figure(seconds: number, size: number): number
}
