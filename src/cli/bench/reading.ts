import { formatVaried, significant } from './render.js'
import type { BenchmarkReport, Point, Series } from './report.js'

/** How a reader should see the figures of a benchmark. */
export interface Reading {
  readonly axis: Axis
  /** One sentence: which pages won, and by how much. */
  readonly sentence: string
  /** By series and point: whether the samples differ so much that the median says little. */
  readonly noisy: readonly (readonly boolean[])[]
}

/** The axis of figures. A linear axis begins at 0. A logarithmic axis goes from its first mark to its last. */
export type Axis = { readonly scale: 'linear' } | { readonly scale: 'logarithmic'; readonly marks: readonly number[] }

/** On a linear axis, a figure that is this many times the middle figure leaves a tenth of the height to half of them. */
const flattening = 10
/** A point is noisy if eight of ten samples lie in a range that is wider than this share of their median. */
const noisyShare = 0.25
/** Two runs on the same pages differ by up to this share, even if the spreads within both runs are narrower. */
const leastDifference = 0.03
/** The most marks on a logarithmic axis with marks at 1, 2 and 5. With more, only the powers of ten have one. */
const mostMarks = 9

export function readingOf(report: BenchmarkReport): Reading {
  return {
    axis: axisOf(report),
    sentence: sentenceOf(report),
    noisy: report.series.map(({ points }) => points.map(isNoisy)),
  }
}

function isNoisy({ median, low, high }: Point): boolean {
  return high - low > noisyShare * median
}

/** The axis is logarithmic if one outlier, or its spread, would flatten the rest on a linear one. */
function axisOf({ series }: BenchmarkReport): Axis {
  const points = series.flatMap(({ points }) => points)
  const medians = points.map(({ median }) => median).sort((one, other) => one - other)
  const middle = medians[Math.floor(medians.length / 2)] ?? 0
  const lowest = Math.min(...points.map(({ low }) => low))
  const highest = Math.max(...points.map(({ high }) => high))
  if (!(lowest > 0) || highest < flattening * middle) return { scale: 'linear' }
  const fine = marksBetween(lowest, highest, [1, 2, 5])
  return { scale: 'logarithmic', marks: fine.length <= mostMarks ? fine : marksBetween(lowest, highest, [1]) }
}

/** The marks from the last one that is not above `lowest` to the first one that is not below `highest`. */
function marksBetween(lowest: number, highest: number, steps: readonly number[]): number[] {
  const first = Math.floor(Math.log10(lowest))
  const last = Math.ceil(Math.log10(highest)) + 1
  const decades = Array.from({ length: last - first + 1 }, (_, index) => first + index)
  const marks = decades.flatMap((power) => steps.map((step) => Number(`${step}e${power}`)))
  const begin = marks.findLastIndex((mark) => mark <= lowest)
  const end = marks.findIndex((mark) => mark >= highest)
  return marks.slice(Math.max(0, begin), Math.max(end, begin + 1) + 1)
}

/** The result at one size. */
interface Comparison {
  readonly size: number
  /** The best kind of pages, and those that differ from it by less than the noise. */
  readonly winners: ReadonlySet<Series>
  readonly best: number
  /** The worst of the others; undefined if there is no difference. */
  readonly worst: { readonly series: Series; readonly median: number } | undefined
}

function sentenceOf(report: BenchmarkReport): string {
  const { series, varied, variedIn, unit } = report
  const [only, second] = series
  if (only === undefined) return 'No kind of pages was measured.'
  if (second === undefined) return `Only ${namesOf([only])} were measured, so there is nothing to compare.`
  const compared = only.points.map((_, at) => compare(series, at, isRate(unit)))
  const decided = compared.filter(({ worst }) => worst !== undefined)
  if (decided.length === 0) return 'No difference: at each size, the kinds of pages differ by less than the noise.'

  const wins = (one: Series) => decided.filter(({ winners }) => winners.has(one))
  const champion = series.reduce((one, other) => (wins(other).length > wins(one).length ? other : one), only)
  const won = wins(champion)
  // Pages that won at the same sizes are named together.
  const champions = series.filter((one) => decided.every(({ winners }) => winners.has(one) === winners.has(champion)))
  const factor = ({ best, worst }: Comparison) =>
    Math.max(best, worst?.median ?? best) / Math.min(best, worst?.median ?? best)
  const clearest = won.reduce((one, other) => (factor(other) > factor(one) ? other : one))
  const { best, worst, size } = clearest
  if (worst === undefined) throw new Error('a size that is decided has a worst kind of pages')
  const percent = Math.round(Math.abs(best / worst.median - 1) * 100)
  const difference = `${percent} % ${isRate(unit) ? 'more' : 'less'} than ${namesOf([worst.series])} (${significant(worst.median)} ${unit})`
  const where = `a ${varied} of ${formatVaried(size, variedIn)}`
  const same = compared.length - decided.length
  const others = decided.length - won.length
  const rest = [
    ...(others > 0 ? [`others won at ${others}`] : []),
    ...(same > 0 ? [`there was no difference at ${same}`] : []),
  ]
  const result = `${namesOf(champions)} won at ${won.length} of ${compared.length} sizes, most clearly at ${where}: ${significant(best)} ${unit}, ${difference}`
  const sentence = `${[result, rest.join(', ')].filter((part) => part !== '').join('; ')}.`
  return sentence.replace(/^./, (letter) => letter.toUpperCase())
}

/** True if more is better. All other units are times. */
function isRate(unit: string): boolean {
  return unit.endsWith('/s')
}

function compare(series: readonly Series[], at: number, more: boolean): Comparison {
  const measured = series.flatMap((one) => {
    const point = one.points[at]
    return point === undefined ? [] : [{ series: one, point }]
  })
  const ranked = measured.sort((one, other) => (one.point.median - other.point.median) * (more ? -1 : 1))
  const [first] = ranked
  if (first === undefined) throw new Error('a size without a figure')
  const others = ranked.filter(({ point }) => differs(first.point, point))
  const worst = others.at(-1)
  return {
    size: first.point.size,
    winners: new Set(ranked.filter((one) => !others.includes(one)).map(({ series }) => series)),
    best: first.point.median,
    worst: worst === undefined ? undefined : { series: worst.series, median: worst.point.median },
  }
}

/** True if two figures differ by more than the noise: their spreads do not overlap, nor would those of another run. */
function differs(one: Point, other: Point): boolean {
  const areApart = one.high < other.low || other.high < one.low
  return areApart && Math.abs(one.median - other.median) > leastDifference * Math.max(one.median, other.median)
}

/** 'base pages', '2MiB and 1GiB pages' */
function namesOf(series: readonly Series[]): string {
  const names = series.map(({ pages }) => pages)
  const last = names.pop() ?? ''
  return `${names.length === 0 ? last : `${names.join(', ')} and ${last}`} pages`
}
