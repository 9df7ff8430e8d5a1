import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openRegistrySync, type RegionOptions } from '../../src/index.js'
import { MiB } from '../../src/sizes.js'
import { ownCommand } from '../../src/system/own-command.js'
import { asNobody } from '../support/child-process.js'
import { jsonOf, pinfold } from '../support/command-line.js'
import { needs, whyNotBuilt, whyNotNobody, whyNotPages, whyNotPhysical } from '../support/requirements.js'

function allocate(options: RegionOptions) {
  const memory = openRegistrySync()
  onTestFinished(() => memory.close())
  return memory.allocateSync('pictured', options)
}

const hex = (address: bigint | number) => `0x${address.toString(16)}`

beforeEach((context) => needs(context, whyNotBuilt))

describe('map', () => {
  test('of another process contains what this process sees of itself', async (context) => {
    needs(context, whyNotPhysical, whyNotPages(2))
    const region = allocate({ size: '4MiB', pages: '2MiB' })
    const run = await pinfold(['map', process.pid, region.address, '--json'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const map = region.map()
    expect(jsonOf(run)).toMatchObject({
      schema: 'pinfold/map/1',
      pid: process.pid,
      mappings: [{ start: hex(region.address), end: hex(region.address + BigInt(region.size)), permissions: 'rw-s' }],
      bytes: { present: 4 * MiB, hidden: 0, swapped: 0 },
      runs: map.runs.map(({ physicalAddress, address, node, ...run }) => {
        return { ...run, physicalAddress: hex(physicalAddress), address: hex(address), node: node ?? null }
      }),
      entries: [{ pages: 'hugetlb', pageSize: 2 * MiB, level: 'PMD', entries: 2, bytes: 4 * MiB }],
      fragmentation: map.fragmentation,
      levels: map.levels,
      areHugeEntriesKnown: true,
      pageTables: { level: 'PGD', address: '0x0', tables: [{ level: map.levels[1] }] },
    })
  })

  test('as text shows the strip, the runs, the entries and the tree', async (context) => {
    needs(context, whyNotPhysical, whyNotPages(2))
    const region = allocate({ size: '4MiB', pages: '2MiB' })
    const { code, stdout } = await pinfold(['map', process.pid, region.address, region.size])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^process \d+ \(.+\): 4MiB mapped, 4MiB in memory$/m)
    expect(stdout).toMatch(/^0x[0-9a-f]+ +[·hH ]*[hH][·hH ]* {2}node \d/m)
    for (const { physicalAddress, address } of region.map().runs) {
      expect(stdout).toMatch(new RegExp(`^${hex(physicalAddress)} .*2MiB hugetlb +${hex(address)}$`, 'm'))
    }
    expect(stdout).toMatch(/^2MiB hugetlb +PMD +2 +4MiB$/m)
    expect(stdout).toContain('fragmentation ')
    expect(stdout).toMatch(/^ +└─ \[\d+\] PMD table, 2MiB an entry/m)
    expect(stdout).toMatch(new RegExp(`2 x 2MiB hugetlb, from ${hex(region.address)}$`, 'm'))
    const coloured = await pinfold(['map', process.pid, region.address], { env: { FORCE_COLOR: '1' } })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for an escape
    expect(coloured.stdout).toMatch(/\u001b\[32m[░▒▓█]+/)
  })

  test('of a part of a mapping contains this part, and the rest of its last page', async (context) => {
    needs(context, whyNotPhysical)
    const region = allocate({ size: '1MiB', pages: 'base' })
    const report = jsonOf(await pinfold(['map', process.pid, region.address + 4096n, 4097, '--json']))
    expect(report).toMatchObject({ bytes: { present: 8192 }, mappings: [{ start: hex(region.address + 4096n) }] })
  })

  test('lists the 32 longest runs, and all of them with --all', async (context) => {
    needs(context, whyNotPhysical)
    const region = allocate({ size: '4MiB', pages: 'base' })
    const rows = async (...more: string[]) => {
      const { stdout } = await pinfold(['map', process.pid, region.address, ...more])
      return stdout.split('\n').filter((line) => / base +0x/.test(line)).length
    }
    const { length } = region.map().runs
    needs(context, length > 32 ? undefined : 'the kernel gave memory in few runs')
    expect(await rows()).toBe(32)
    expect(await rows('--all')).toBeGreaterThan(32)
  })

  test('writes a page that loads nothing, with a picture of each kind', async (context) => {
    needs(context, whyNotPhysical)
    const folder = mkdtempSync(join(tmpdir(), 'pinfold-map-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const region = allocate({ size: '1MiB', pages: 'base' })
    const run = await pinfold(['map', process.pid, region.address, '--html', `${folder}/map.html`])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain(`pictures in ${folder}/map.html`)
    const page = readFileSync(`${folder}/map.html`, 'utf8')
    expect(page.match(/<svg /g)).toHaveLength(3)
    expect(page).toContain("default-src 'none'")
    expect(page).not.toMatch(/<script|(?:src|href)="|url\(/)
    for (const { physicalAddress } of region.map().runs.slice(0, 3)) expect(page).toContain(hex(physicalAddress))
    expect(page).toContain('PTE table, 4KiB an entry')
  })

  test('of a process or place that is not there is an error', async () => {
    const gone = await pinfold(['map', 2 ** 22 + 1, '--json'])
    expect(gone.code).toBe(1)
    expect(jsonOf(gone)).toMatchObject({ code: 'ERR_PROCESS_UNKNOWN' })
    const nothing = await pinfold(['map', process.pid, '0x1000', '--json'])
    expect(nothing.code).toBe(1)
    expect(jsonOf(nothing)).toMatchObject({ code: 'ERR_PAGE_ABSENT' })
    expect((await pinfold(['map', process.pid, '0xffffffffff600000'])).code).toBe(2)
  })

  test('is refused for another user’s process, with the command for root', async (context) => {
    needs(context, whyNotNobody())
    const run = await pinfold(['map', process.pid, '--json'], { prefix: asNobody })
    expect(run.code).toBe(4)
    expect(jsonOf(run)).toMatchObject({ code: 'ERR_PERMISSION', hint: `sudo ${ownCommand(`map ${process.pid}`)}` })
  })
})

describe('whose', () => {
  test('names the process, the address and the mapping of a page', async (context) => {
    needs(context, whyNotPhysical, whyNotPages(1))
    const region = allocate({ size: '2MiB', pages: '2MiB' })
    const physicalAddress = region.translate().physicalAt(0x12345)
    const run = await pinfold(['whose', hex(physicalAddress), '--json'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const report = jsonOf(run)
    expect(report).toMatchObject({ schema: 'pinfold/whose/1', physicalAddress: hex(physicalAddress), mapCount: 1 })
    expect(report).toHaveProperty('mappings', [
      {
        pid: process.pid,
        command: readFileSync('/proc/self/comm', 'utf8').trim(),
        address: hex(region.address + 0x12345n),
        mapping: {
          start: hex(region.address),
          end: hex(region.address + BigInt(region.size)),
          permissions: 'rw-s',
          name: '/memfd:pinfold:pictured (deleted)',
        },
      },
    ])
    const { stdout } = await pinfold(['whose', hex(physicalAddress)])
    expect(stdout).toMatch(new RegExp(`^${hex(physicalAddress)}: 1 mapping in \\d+ processes$`, 'm'))
    expect(stdout).toContain('the kernel counts 1 mapping (/proc/kpagecount)')
    expect(stdout).toMatch(new RegExp(`^ *${process.pid} .*${hex(region.address + 0x12345n)} `, 'm'))
  })

  test('of an address without memory is an error, also for a user without privileges', async (context) => {
    needs(context, whyNotPhysical)
    const run = await pinfold(['whose', hex(2 ** 51), '--json'])
    expect(run.code).toBe(2)
    expect(jsonOf(run)).toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
    needs(context, whyNotNobody())
    const refused = await pinfold(['whose', '0x1000000', '--json'], { prefix: asNobody })
    expect(refused.code).toBe(4)
    expect(jsonOf(refused)).toMatchObject({ code: 'ERR_PERMISSION' })
  })
})
