import type { Region } from '../../registry/region.js'
import type { Probe } from './sampling.js'

/** One of the things that `pinfold bench` measures, on regions of every kind of pages. */
export interface Benchmark {
  readonly name: string
  /** One line: what is done, and what is counted. */
  readonly about: string
  /** What is varied: the columns' heading, and the chart's axis. */
  readonly varied: string
  readonly variedIn: 'bytes' | 'elements'
  /** What is measured, and the unit that people read. */
  readonly measured: string
  readonly unit: string
  /** What is varied: by default, and when it has to be quick. */
  readonly sizes: readonly number[]
  readonly quickSizes: readonly number[]
  /** Which sizes it can measure, in words for who gave another. */
  readonly accepts: { readonly text: string; accepts(size: number): boolean }
  /** Bytes that a region must have, for sizes of up to `largest`. */
  regionSize(largest: number): number
  /** Prepares one size; what it returns prepares it on one region. */
  prepare(size: number): (region: Region) => Probe
  /** A figure in `unit`, of the seconds that one round takes. */
  figure(seconds: number, size: number): number
}
