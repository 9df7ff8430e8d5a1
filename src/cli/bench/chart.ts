import { renderSvg, type SeriesOption } from './chart-library.js'
import type { Axis, Reading } from './reading.js'
import { formatVaried, titleOf } from './render.js'
import type { BenchmarkReport, Series } from './report.js'

/** A size for which a chart is drawn. A chart that is made smaller has smaller texts, so that phones get another one. */
export interface Layout {
  readonly width: number
  readonly height: number
  /** In pixels, as all lengths. */
  readonly fontSize: number
  /** The most marks on the axis of sizes. */
  readonly mostMarks: number
}

export const wide: Layout = { width: 860, height: 440, fontSize: 13, mostMarks: 14 }
/** The width of a phone. */
export const narrow: Layout = { width: 360, height: 400, fontSize: 14, mostMarks: 5 }

/** The colours differ on white and on black. The symbols differ for readers who cannot tell the colours apart. */
export const looks = [
  { colour: '#d9730d', symbol: 'circle' },
  { colour: '#8a63d2', symbol: 'triangle' },
  { colour: '#2f81f7', symbol: 'rect' },
  { colour: '#2da44e', symbol: 'diamond' },
  { colour: '#d1498b', symbol: 'roundRect' },
  { colour: '#8a8a3a', symbol: 'pin' },
] as const

/** The text colour of the page around the chart, which is light or dark. */
const ink = { color: 'currentColor' }
const faint = { show: true, lineStyle: { ...ink, opacity: 0.15 } }

/**
 * Draws a line for each kind of pages: the medians, over sizes on a logarithmic axis. A bar shows the spread of each
 * median. A median that is noisy is hollow.
 */
export function renderChart(report: BenchmarkReport, { axis, noisy }: Reading, layout: Layout): string {
  const { varied, variedIn, measured, unit, series } = report
  const { fontSize, mostMarks } = layout
  const text = { ...ink, fontSize }
  const powers = series.flatMap(({ points }) => points.map(({ size }) => Math.log2(size)))
  const first = Math.floor(Math.min(...powers))
  const last = Math.max(first + 1, Math.ceil(Math.max(...powers)))
  const isLinear = axis.scale === 'linear'
  const common = {
    type: 'value',
    nameLocation: 'middle',
    nameTextStyle: text,
    axisLine: { show: true, lineStyle: ink },
    splitLine: faint,
  } as const
  const top = 24 + Math.ceil(2 * fontSize * legendRows(series.map(titleOf), layout))
  return renderSvg(
    {
      animation: false,
      textStyle: { fontFamily: 'system-ui, sans-serif', ...text },
      legend: { top: 0, itemGap: 24, data: series.map(titleOf), textStyle: text, selectedMode: false },
      grid: { left: 4.5 * fontSize, right: 1.8 * fontSize, top, bottom: 4 * fontSize },
      xAxis: {
        ...common,
        // On a logarithmic axis of figures, 0 is the place of 1, and perhaps not at the bottom.
        axisLine: { ...common.axisLine, onZero: false },
        // The axis counts powers of two. The library's own logarithmic axis would mark only every tenth power.
        min: first,
        max: last,
        interval: Math.ceil((last - first) / mostMarks),
        name: varied,
        nameGap: 2.4 * fontSize,
        axisLabel: { ...text, formatter: (power: number) => formatVaried(2 ** power, variedIn) },
      },
      yAxis: {
        ...common,
        ...rangeOf(axis),
        name: `${unit}, ${measured}${isLinear ? '' : ' (log scale)'}`,
        nameGap: 3.2 * fontSize,
        axisLabel: { ...text, ...labelsOf(axis) },
      },
      series: series.flatMap((one, at) => drawSeries(one, at, noisy[at] ?? [], place(axis))),
    },
    layout,
  )
}

/** The place of a figure on its axis. The logarithmic axis counts powers of ten. */
function place(axis: Axis): (value: number) => number {
  return axis.scale === 'linear' ? (value) => value : Math.log10
}

function rangeOf(axis: Axis) {
  if (axis.scale === 'linear') return { min: 0 }
  const places = axis.marks.map(Math.log10)
  // The lines across the chart stand where the ticks are.
  return { min: Math.min(...places), max: Math.max(...places), axisTick: { customValues: places } }
}

function labelsOf(axis: Axis) {
  if (axis.scale === 'linear') return {}
  return {
    customValues: axis.marks.map(Math.log10),
    formatter: (power: number) => `${Number((10 ** power).toPrecision(1))}`,
  }
}

/** The number of rows that the legend takes. A letter is half as wide as it is high; a symbol and its gap take 50. */
function legendRows(titles: readonly string[], { width, fontSize }: Layout): number {
  let rows = 1
  let used = 0
  for (const title of titles) {
    const wanted = (title.length * fontSize) / 2 + 50
    if (used > 0 && used + wanted > width) {
      rows++
      used = 0
    }
    used += wanted
  }
  return rows
}

function drawSeries(
  one: Series,
  at: number,
  noisy: readonly boolean[],
  place: (value: number) => number,
): SeriesOption[] {
  const { colour, symbol } = looks[at % looks.length] ?? looks[0]
  const name = titleOf(one)
  const points = one.points.map(({ size, median, low, high }) => [Math.log2(size), ...[median, low, high].map(place)])
  const hollow = `empty${symbol.replace(/^./, (letter) => letter.toUpperCase())}`
  return [
    {
      type: 'line',
      name,
      color: colour,
      symbol,
      symbolSize: 8,
      lineStyle: { width: 2 },
      silent: true,
      data: points.map(([x = 0, y = 0], index) => ({
        value: [x, y],
        ...(noisy[index] === true ? { symbol: hollow } : {}),
      })),
    },
    {
      type: 'custom',
      name,
      color: colour,
      silent: true,
      data: points,
      encode: { x: 0, y: [1, 2, 3] },
      renderItem: (_, api) => {
        const [x = 0, lower = 0] = api.coord([api.value(0), api.value(2)])
        const [, upper = 0] = api.coord([api.value(0), api.value(3)])
        return {
          type: 'line',
          shape: { x1: x, y1: lower, x2: x, y2: upper },
          style: { stroke: colour, lineWidth: 1.5, opacity: 0.7 },
        }
      },
    },
  ]
}
