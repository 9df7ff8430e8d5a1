import { formatSize } from '../../sizes.js'
import { type Layout, looks } from '../bench/chart.js'
import { renderSvg } from '../bench/chart-library.js'
import type { Chart } from './charts.js'

/** More points than that have no symbols: they would hide the line. */
const mostSymbols = 40
const ink = { color: 'currentColor' }
const faint = { show: true, lineStyle: { ...ink, opacity: 0.15 } }
const percentMarks = [0, 90, 99, 99.9, 99.99, 99.999]

/** Draws a chart as SVG. */
export function drawChart(chart: Chart, layout: Layout): string {
  const { fontSize } = layout
  const text = { ...ink, fontSize }
  const names = chart.lines.map(({ name }) => name)
  const rows = Math.ceil((names.join('').length * fontSize * 0.6 + names.length * 50) / layout.width)
  const common = {
    type: 'value',
    nameLocation: 'middle',
    nameTextStyle: text,
    axisLine: { show: true, lineStyle: ink, onZero: false },
    splitLine: faint,
  } as const
  return renderSvg(
    {
      animation: false,
      textStyle: { fontFamily: 'system-ui, sans-serif', ...text },
      legend: { top: 0, itemGap: 24, data: names, textStyle: text, selectedMode: false },
      grid: { left: 5.5 * fontSize, right: 2.5 * fontSize, top: 24 + 2 * fontSize * rows, bottom: 4 * fontSize },
      xAxis: { ...common, ...acrossAxis(chart, layout, text), nameGap: 2.4 * fontSize },
      yAxis: { ...common, ...upAxis(chart, text), name: chart.up, nameGap: 4.2 * fontSize },
      series: chart.lines.map(({ name, points }, at) => {
        const { colour, symbol } = looks[at % looks.length] ?? looks[0]
        return {
          type: 'line',
          name,
          color: colour,
          symbol: points.length > mostSymbols ? 'none' : symbol,
          symbolSize: 8,
          lineStyle: { width: 2 },
          silent: true,
          data: points.map(([across, up]) => [acrossPlace(chart, across), upPlace(chart, up)]),
        }
      }),
    },
    layout,
  )
}

/** The place on the axis: powers of two, or the number of nines. */
function acrossPlace({ across }: Chart, value: number): number {
  return across === 'size' ? Math.log2(value) : -Math.log10(1 - value / 100)
}

function upPlace({ isLogarithmic }: Chart, value: number): number {
  return isLogarithmic ? Math.log10(Math.max(value, Number.MIN_VALUE)) : value
}

function acrossAxis(chart: Chart, { mostMarks }: Layout, text: object) {
  if (chart.across === 'percentile') {
    const places = percentMarks.map((percent) => acrossPlace(chart, percent))
    // The labels of the last two marks would overlap on a phone.
    const labelled = places.length > mostMarks ? places.filter((_, at) => at !== places.length - 2) : places
    return {
      name: 'percentile',
      min: 0,
      max: places.at(-1) ?? 0,
      axisTick: { customValues: places },
      axisLabel: {
        ...text,
        customValues: labelled,
        formatter: (place: number) => `${Number((100 * (1 - 10 ** -place)).toFixed(3))}`,
      },
    }
  }
  const places = chart.lines.flatMap(({ points }) => points.map(([size]) => Math.log2(size)))
  const first = Math.floor(Math.min(...places))
  const last = Math.max(first + 1, Math.ceil(Math.max(...places)))
  return {
    name: 'size',
    min: first,
    max: last,
    interval: Math.ceil((last - first) / mostMarks),
    axisLabel: { ...text, formatter: (power: number) => formatSize(2 ** power) },
  }
}

function upAxis(chart: Chart, text: object) {
  if (!chart.isLogarithmic) return { min: 0, axisLabel: text }
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const { points } of chart.lines) {
    for (const [, value] of points) {
      least = Math.min(least, upPlace(chart, value))
      most = Math.max(most, upPlace(chart, value))
    }
  }
  const first = Math.floor(least)
  return {
    min: first,
    max: Math.max(first + 1, Math.ceil(most)),
    interval: 1,
    axisLabel: { ...text, formatter: (power: number) => `${Number((10 ** power).toPrecision(1))}` },
  }
}
