import { CustomChart, type CustomSeriesOption, LineChart, type LineSeriesOption } from 'echarts/charts'
import {
  GridComponent,
  type GridComponentOption,
  LegendComponent,
  type LegendComponentOption,
} from 'echarts/components'
import { type ComposeOption, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

// The part of ECharts that charts need, and nothing else. In dist/ this file contains that part, so that no user of the
// package installs all of ECharts. It is loaded only when a chart is drawn.

use([LineChart, CustomChart, GridComponent, LegendComponent, SVGRenderer])

export type SeriesOption = LineSeriesOption | CustomSeriesOption
export type ChartOption = ComposeOption<SeriesOption | GridComponentOption | LegendComponentOption>

/** The chart as an SVG element, drawn without a browser. */
export function renderSvg(option: ChartOption, size: { readonly width: number; readonly height: number }): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size })
  try {
    chart.setOption(option)
    return chart.renderToSVGString({ useViewBox: true })
  } finally {
    chart.dispose()
  }
}
