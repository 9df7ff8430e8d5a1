import { renderSvg, type SeriesOption } from './chart-library.js'
import { formatVaried, titleOf } from './render.js'
import type { BenchmarkReport, Series } from './report.js'

const size = { width: 860, height: 440 }

/** The colours differ on white and on black. The symbols differ for readers who cannot tell the colours apart. */
const looks = [
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

/** The most marks on the axis of sizes. */
const mostMarks = 14

/**
 * Draws a line for each kind of pages: the medians, over sizes on a logarithmic axis. A bar shows the spread of each
 * median.
 */
export function renderChart({ varied, variedIn, measured, unit, series }: BenchmarkReport): string {
  const powers = series.flatMap(({ points }) => points.map(({ size }) => Math.log2(size)))
  const first = Math.floor(Math.min(...powers))
  const last = Math.max(first + 1, Math.ceil(Math.max(...powers)))
  const axis = {
    type: 'value',
    nameLocation: 'middle',
    nameTextStyle: ink,
    axisLine: { show: true, lineStyle: ink },
  } as const
  return renderSvg(
    {
      animation: false,
      textStyle: { fontFamily: 'system-ui, sans-serif', ...ink },
      legend: { top: 0, itemGap: 24, data: series.map(titleOf), textStyle: ink, selectedMode: false },
      grid: { left: 70, right: 30, top: 50, bottom: 60 },
      xAxis: {
        ...axis,
        // The axis counts powers of two. The library's own logarithmic axis would mark only every tenth power.
        min: first,
        max: last,
        interval: Math.ceil((last - first) / mostMarks),
        name: varied,
        nameGap: 36,
        axisLabel: { ...ink, formatter: (power: number) => formatVaried(2 ** power, variedIn) },
        splitLine: faint,
      },
      yAxis: { ...axis, min: 0, name: `${unit}, ${measured}`, nameGap: 46, axisLabel: ink, splitLine: faint },
      series: series.flatMap(drawSeries),
    },
    size,
  )
}

function drawSeries(one: Series, at: number): SeriesOption[] {
  const { colour, symbol } = looks[at % looks.length] ?? looks[0]
  const name = titleOf(one)
  const points = one.points.map(({ size, median, low, high }) => [Math.log2(size), median, low, high])
  return [
    {
      type: 'line',
      name,
      color: colour,
      symbol,
      symbolSize: 8,
      lineStyle: { width: 2 },
      silent: true,
      data: points.map((point) => point.slice(0, 2)),
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
