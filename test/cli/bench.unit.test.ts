import { describe, expect, test, vi } from 'vitest'
import { benchmarks } from '../../src/cli/bench/benchmarks.js'
import { renderPage } from '../../src/cli/bench/html-page.js'
import { renderBenchmark, significant } from '../../src/cli/bench/render.js'
import type { BenchmarkReport, Series } from '../../src/cli/bench/report.js'
import { type Probe, sampleInTurn } from '../../src/cli/bench/sampling.js'
import { randomCycle } from '../../src/cli/bench/tlb.js'
import { plain } from '../../src/cli/output.js'
import { MiB } from '../../src/sizes.js'

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
