import { describe, expect, test } from 'vitest'
import { type Contender, distribution, interleave, oneIn, timed } from '../../bench/measure.js'
import { Peer } from '../../bench/peer.js'
import { bytesAtMost, type Row, rateAtLeast, ratioAtLeast, ratioAtMost } from '../../bench/row.js'
import { Report } from '../../bench/suite.js'
import { suiteNames } from '../../bench/suites.js'
import { table } from '../../bench/table.js'

const spread = { median: 2, low: 1, high: 3 }

function rowsOf(use: (report: Report) => void): Row[] {
  const rows: Row[] = []
  use(new Report('some', (row) => rows.push(row)))
  return rows
}

describe('sampling', () => {
  test('a distribution is the median and the 10th and 90th percentile, whatever the order', () => {
    expect(distribution([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 1.4, high: 4.6 })
    expect(distribution([2, 4])).toMatchObject({ median: 3 })
  })

  test('contenders are sampled in turn, forwards and backwards, and the warm-up is not counted', async () => {
    const order: string[] = []
    const contender =
      (name: string): Contender =>
      (rounds) => {
        order.push(name)
        return rounds * order.length
      }
    const taken = await interleave(
      { ours: contender('ours'), peer: contender('peer') },
      { samples: 2, warmUp: 1, rounds: 5 },
    )
    expect(order).toEqual(['peer', 'ours', 'ours', 'peer', 'peer', 'ours'])
    expect(taken.of('ours').median).toBe((3 + 6) / 2)
  })

  test('a ratio compares neighbouring samples, so a machine that slows down for both does not change it', async () => {
    let slowness = 1
    const taken = await interleave(
      { ours: () => 3 * slowness, peer: () => 2 * slowness++ },
      { samples: 9, warmUp: 0, rounds: 1 },
    )
    expect(taken.ratio('ours', 'peer').median).toBeGreaterThan(1.2)
    expect(taken.ratio('ours', 'peer').median).toBeLessThan(1.8)
    expect(taken.of('ours').high).toBeGreaterThan(20)
  })

  test('a ratio can be compared with that of others, and a time with what goes beyond a floor', async () => {
    const contenders = { one: () => 8, two: () => 4, oneInC: () => 6, twoInC: () => 2 }
    const taken = await interleave(contenders, { samples: 3, warmUp: 0, rounds: 1 })
    expect(taken.ratioOfRatios(['one', 'two'], ['oneInC', 'twoInC']).median).toBeCloseTo(2 / 3)
    expect(taken.excess('oneInC', 'two').median).toBe(0.5)
  })

  test('a slow peer runs 1 round in 100, and its time counts 100 times', async () => {
    const seen: number[] = []
    const slow = oneIn(100, (rounds) => {
      seen.push(rounds)
      return rounds * 7
    })
    expect(await slow(1000)).toBe(7000)
    expect(seen).toEqual([10])
  })

  test('a loop whose results are not numbers is an error, not a fast loop', () => {
    expect(() => timed(() => Number.NaN)(1)).toThrow('add up to NaN')
  })
})

describe('peers', () => {
  test('a program that is driven line by line reports the seconds of its rounds', async () => {
    const script = 'echo ready; while read -r run name rounds; do echo "ok 0.$rounds"; done'
    await using peer = await Peer.launch('a shell', 'sh', '-c', script)
    expect(await peer.run('anything', 25)).toBe(0.25)
  })

  test('a program that fails or ends is an error that says why', async () => {
    const failing = Peer.launch('a shell', 'sh', '-c', 'echo failed no device')
    await expect(failing).rejects.toThrow(/^a shell: no device$/)
    const ending = Peer.launch('a shell', 'sh', '-c', 'echo there is no lab >&2; exit 3')
    await expect(ending).rejects.toThrow(/^a shell ended with status 3: there is no lab$/)
    await expect(Peer.launch('nothing', '/nonexistent/program')).rejects.toThrow(/^nothing spawn .* ENOENT$/)
  })
})

describe('rows', () => {
  const figure = { name: 'a thing', unit: 'us', scale: 1e3, value: spread } as const

  test('a figure becomes a row in its unit, judged by its target', () => {
    const peer = { name: 'a floor', value: spread, ratio: { median: 1.2, low: 1, high: 1.4 } }
    const [row] = rowsOf((report) => report.add({ ...figure, peer, target: ratioAtMost(1.1) }))
    expect(row).toMatchObject({ suite: 'some', value: 2000, spread: [1000, 3000], peerValue: 2000, ratio: 1.2 })
    expect(row).toMatchObject({ target: '<= 1.1 x', met: false })
  })

  test.each([
    [ratioAtMost(1.1), 1.1, 1.11],
    [ratioAtLeast(0.85), 0.85, 0.84],
    [rateAtLeast(2), 0.5, 0.51],
  ])('a time is judged by its ratio alone (%o)', (target, met, missed) => {
    expect([target.isMet(1e9, met), target.isMet(0, missed), target.isMet(0, null)]).toEqual([true, false, false])
  })

  test('a number of bytes is judged by itself', () => {
    expect([bytesAtMost(8).isMet(8, null), bytesAtMost(8).isMet(8.1, null)]).toEqual([true, false])
    expect(bytesAtMost(8, 0.1)).toMatchObject({ text: '<= 8 B' })
    expect(bytesAtMost(8, 0.1).isMet(8.1, null)).toBe(true)
  })

  test('a thing that cannot be measured becomes a row that says why', async () => {
    const rows: Row[] = []
    await new Report('some', (row) => rows.push(row)).section('a thing', async () => {
      throw new Error('no hugepages')
    })
    expect(rows).toMatchObject([{ name: 'a thing', value: null, met: null, note: 'not measured: no hugepages' }])
  })

  test('the table aligns its columns, and shows the notes below them', () => {
    const rows = rowsOf((report) => {
      report.add(figure)
      report.add({ ...figure, name: 'a longer thing', note: 'told' })
    })
    const [head, one, two, note] = table(rows).split('\n')
    expect(one?.indexOf('2000 us')).toBe(head?.indexOf('measured'))
    expect(two?.indexOf('2000 us')).toBe(head?.indexOf('measured'))
    expect(note).toBe('  * a longer thing: told')
  })
})

test('every suite of bench/workloads is found by its file', () => {
  expect(suiteNames()).toEqual(expect.arrayContaining(['allocate', 'footprint', 'translate', 'virt-to-phys']))
})
