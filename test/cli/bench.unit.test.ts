import { describe, expect, test, vi } from 'vitest'
import { benchmarks } from '../../src/cli/bench/benchmarks.js'
import { renderPage } from '../../src/cli/bench/html-page.js'
import { readingOf } from '../../src/cli/bench/reading.js'
import { renderBenchmark, significant } from '../../src/cli/bench/render.js'
import type { BenchmarkReport, Series } from '../../src/cli/bench/report.js'
import { type Probe, sampleInTurn } from '../../src/cli/bench/sampling.js'
import { randomCycle } from '../../src/cli/bench/tlb.js'
import { plain } from '../../src/cli/output.js'
import { GiB, KiB, MiB } from '../../src/sizes.js'

describe('a random cycle', () => {
  test.each([2, 3, 100, 4096])('of %i places visits all of them before it returns to the first', (length) => {
    const order = randomCycle(length)
    const seen = new Set<number>()
    let at = 0
    do {
      seen.add(at)
      at = order[at] ?? -1
    } while (at !== 0 && seen.size <= length)
    expect(seen.size).toBe(length)
  })

  test('is the same each time, and not sequential', () => {
    const order = randomCycle(1000)
    expect(randomCycle(1000)).toEqual(order)
    const neighbours = order.filter((next, at) => Math.abs(next - at) === 1).length
    expect(neighbours).toBeLessThan(50)
  })
})

describe('sampling in turn', () => {
  function probe(name: string, calls: string[], seconds: number): Probe {
    return {
      warmUp: () => calls.push(`${name} warm`),
      run: (rounds) => {
        calls.push(name)
        return rounds * seconds
      },
    }
  }

  test('takes turns forwards and backwards, each with a warm-up, and returns the seconds of one round', async () => {
    const calls: string[] = []
    const probes = [probe('a', calls, 0.004), probe('b', calls, 0.00025)]
    const [a = [], b = []] = await sampleInTurn(probes, { seconds: 0, leastTurns: 3 })
    expect(
      calls
        .filter((call) => call.endsWith('warm'))
        .map(([name]) => name)
        .join(''),
    ).toBe('abbaab')
    expect(a.length).toBe(15)
    expect(new Set(a)).toEqual(new Set([0.004]))
    expect(b.length).toBe(a.length)
    expect(new Set(b)).toEqual(new Set([0.00025]))
  })

  test('continues until the time is over, and lets the event loop turn', async () => {
    // Only the probe advances this clock. On a busy machine, real time may be used up before the second turn.
    let clock = 0
    const now = vi.spyOn(performance, 'now').mockImplementation(() => clock)
    let ticks = 0
    let immediate = setImmediate(function tick() {
      ticks += 1
      immediate = setImmediate(tick)
    })
    const probe: Probe = {
      warmUp: () => {},
      run: () => {
        clock += 2
        return 0.002
      },
    }
    const [samples = []] = await sampleInTurn([probe], { seconds: 0.1, leastTurns: 1 })
    clearImmediate(immediate)
    now.mockRestore()
    expect(clock).toBeGreaterThanOrEqual(100)
    expect(samples.length).toBeGreaterThan(25)
    expect(ticks).toBeGreaterThan(0)
  })
})

describe('the benchmarks', () => {
  test.each(benchmarks)('$name accepts its own sizes, in ascending order', ({ sizes, quickSizes, accepts }) => {
    for (const some of [sizes, quickSizes]) {
      expect(some.every(accepts.accepts)).toBe(true)
      expect(some).toEqual([...some].sort((one, other) => one - other))
    }
  })
})

describe('a report', () => {
  const series = (pages: string, hugeShare: number): Series => ({
    pages,
    regionSize: 2 * MiB,
    hugeShare,
    borrowed: 0,
    points: [{ size: MiB, median: 12.34, low: 9.999, high: 1234, samples: 5 }],
  })
  const report: BenchmarkReport = {
    name: 'tlb',
    about: 'about <it>',
    varied: 'working set',
    variedIn: 'bytes',
    measured: 'latency',
    unit: 'ns',
    series: [series('base', 0), series('transparent', 0.5)],
    passedOver: [{ pages: '1GiB', code: 'ERR_HUGEPAGES_SHORT', reason: 'none & "none"', hint: 'echo 1 > /sys/x' }],
    seconds: 1,
  }

  test('as text is a table of medians with their spread, and names the pages that were passed over', () => {
    expect(renderBenchmark(report, plain)).toBe(`tlb  about <it>
ns, latency: median (10th to 90th percentile)

working set              base  transparent, 50% huge
       1MiB  12.3 (10.0-1234)       12.3 (10.0-1234)

1GiB passed over: none & "none"
  $ echo 1 > /sys/x`)
  })

  test('as a page marks the sizes that are noisy, and has a chart for phones beside each wide one', () => {
    const load = { before: 0, after: 0 }
    const of = { pinfold: '0', node: 'v20', kernel: '6', arch: 'x86_64', virtual: null, basePageSize: 4096 }
    const machine = { ...of, cpu: 'cpu', cpus: 2, load }
    const page = renderPage({ schema: 'pinfold/bench/1', machine, quick: true, benchmarks: [report] })
    expect(page).toContain('<tr class="noisy"><th>1MiB</th><td title="10.0 to 1234">12.3*</td>')
    const widths = [...page.matchAll(/<svg[^>]* viewBox="0 0 (\d+) /g)].map(([, width]) => Number(width))
    expect(widths).toEqual([860, 360])
    const phone = page.slice(page.lastIndexOf('<svg'))
    const sizes = [...phone.matchAll(/font-size:([\d.]+)px/g)].map(([, size]) => Number(size))
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(12)
  })

  test('as a page escapes its texts for HTML', () => {
    const load = { before: 0, after: 0 }
    const of = { pinfold: '0', node: 'v20', kernel: '6', arch: 'x86_64', virtual: null, basePageSize: 4096 }
    const machine = { ...of, cpu: '<b>', cpus: 2, load }
    const page = renderPage({ schema: 'pinfold/bench/1', machine, quick: true, benchmarks: [report] })
    for (const text of ['2 x &lt;b&gt;', 'about &lt;it&gt;', 'none &amp; &quot;none&quot;', 'echo 1 &gt; /sys/x']) {
      expect(page).toContain(text)
    }
    expect(page).toContain('<th>transparent, 50% huge</th>')
  })

  test.each([
    [1.234, '1.23'],
    [9.999, '10.0'],
    [123.4, '123'],
    [1234.4, '1234'],
    [0.01234, '0.0123'],
  ])('writes %f as %s', (value, text) => expect(significant(value)).toBe(text))
})

describe('the reading of a benchmark', () => {
  const sizes = [64 * KiB, MiB, GiB]

  /** A report with these medians by kind of pages. The spread of each is a share of it, or two figures. */
  function reportOf(
    medians: Readonly<Record<string, readonly number[]>>,
    { unit = 'ns', spread = 0.02 }: { unit?: string; spread?: number | readonly [number, number] } = {},
  ): BenchmarkReport {
    const point = (median: number, at: number) => {
      const [low, high] = typeof spread === 'number' ? [median * (1 - spread / 2), median * (1 + spread / 2)] : spread
      return { size: sizes[at] ?? 0, median, low, high, samples: 50 }
    }
    const of = { name: 'tlb', about: '', varied: 'working set', variedIn: 'bytes', measured: 'latency', unit } as const
    const series = Object.entries(medians).map(([pages, values]) => ({
      pages,
      regionSize: GiB,
      hugeShare: 1,
      borrowed: 0,
      points: values.map(point),
    }))
    return { ...of, series, passedOver: [], seconds: 1 }
  }

  test('keeps a linear axis as long as the figures fill it', () => {
    expect(readingOf(reportOf({ base: [10, 20, 90], '2MiB': [10, 20, 80] })).axis).toEqual({ scale: 'linear' })
  })

  test('takes a logarithmic axis if one outlier would flatten the rest', () => {
    const { axis } = readingOf(reportOf({ base: [11, 12, 800], '2MiB': [11, 12, 30] }))
    expect(axis).toEqual({ scale: 'logarithmic', marks: [10, 20, 50, 100, 200, 500, 1000] })
  })

  test('takes a logarithmic axis for the spread of one figure, too, and marks powers of ten if there are many', () => {
    const { axis } = readingOf(reportOf({ base: [11, 12, 13] }, { spread: [0.02, 9000] }))
    expect(axis).toEqual({ scale: 'logarithmic', marks: [0.01, 0.1, 1, 10, 100, 1000, 10_000] })
  })

  test('keeps a linear axis if a figure is 0, which no logarithmic axis has', () => {
    expect(readingOf(reportOf({ base: [1, 1, 1] }, { spread: [0, 9000] })).axis).toEqual({ scale: 'linear' })
  })

  test('says which pages won, at how many sizes, and by how much', () => {
    const { sentence } = readingOf(reportOf({ base: [4, 10, 285], '2MiB': [4, 9, 180], '1GiB': [4, 10, 181] }))
    expect(sentence).toBe(
      '2MiB pages won at 2 of 3 sizes, most clearly at a working set of 1GiB: 180 ns, 37 % less than base pages (285 ns); there was no difference at 1.',
    )
  })

  test('knows that more is better in a rate, and that others won elsewhere', () => {
    const { sentence } = readingOf(
      reportOf({ base: [10, 4, 6], '2MiB': [5, 8, 6], '1GiB': [5, 8, 6] }, { unit: 'GiB/s' }),
    )
    expect(sentence).toBe(
      'Base pages won at 1 of 3 sizes, most clearly at a working set of 64KiB: 10.0 GiB/s, 100 % more than 1GiB pages (5.00 GiB/s); others won at 1, there was no difference at 1.',
    )
  })

  test('names the pages together that won at the same sizes', () => {
    const { sentence } = readingOf(reportOf({ base: [4, 20, 30], '2MiB': [4, 10, 10], '1GiB': [4, 10, 10] }))
    expect(sentence).toMatch(
      /^2MiB and 1GiB pages won at 2 of 3 sizes, .* 67 % less than base pages \(30\.0 ns\); there was/,
    )
  })

  test.each([
    ['spreads overlap', [100, 100, 100], [110, 115, 90], 0.3],
    ['figures differ by less than two runs do', [100, 100, 100], [101, 102, 98], 0.001],
  ])('says that there is no difference if the %s', (_, base, huge, spread) => {
    const { sentence } = readingOf(reportOf({ base, '2MiB': huge }, { spread }))
    expect(sentence).toBe('No difference: at each size, the kinds of pages differ by less than the noise.')
  })

  test('compares nothing if there is one kind of pages, or none', () => {
    expect(readingOf(reportOf({ base: [1, 2, 3] })).sentence).toBe(
      'Only base pages were measured, so there is nothing to compare.',
    )
    expect(readingOf(reportOf({})).sentence).toBe('No kind of pages was measured.')
  })

  test('marks the figures whose spread is wider than a quarter of their median', () => {
    expect(readingOf(reportOf({ base: [1, 2] }, { spread: 0.24 })).noisy).toEqual([[false, false]])
    expect(readingOf(reportOf({ base: [100, 1000] }, { spread: [90, 120] })).noisy).toEqual([[true, false]])
  })
})
