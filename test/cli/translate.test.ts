import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Region } from '../../src/registry/region.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { parseMappings } from '../../src/system/process-mappings.js'
import { asNobody } from '../support/child-process.js'
import { jsonOf, pinfold } from '../support/command-line.js'
import { allocateCoreSync } from '../support/region-cores.js'
import { needs, whyNotBuilt, whyNotNobody, whyNotPhysical } from '../support/requirements.js'

const hex = z.string().regex(/^0x[0-9a-f]+$/)

const reportSchema = z.strictObject({
  schema: z.literal('pinfold/translate/1'),
  pid: z.int(),
  command: z.string(),
  address: hex,
  length: z.int(),
  pageSize: z.int(),
  states: z.strictObject({ present: z.int(), swapped: z.int(), hidden: z.int(), absent: z.int() }),
  mappings: z.array(z.strictObject({ start: hex, end: hex, permissions: z.string(), name: z.string() })),
  runs: z.array(z.strictObject({ address: hex, physicalAddress: hex, length: z.int() })),
  stretches: z.array(
    z.strictObject({
      address: hex,
      physicalAddress: hex.nullable(),
      length: z.int(),
      state: z.enum(['present', 'swapped', 'hidden', 'absent']),
      flags: z.array(z.string()),
      kernelFlags: z.array(z.string()).nullable(),
      mapCount: z.int().nullable(),
    }),
  ),
  kernelFlagsUnknown: z.string().nullable(),
})

describe('translate', () => {
  beforeEach((context) => needs(context, whyNotBuilt))

  test('sees the physical runs of a region in another process, as that process sees them', async (context) => {
    needs(context, whyNotPhysical)
    const region = new Region(allocateCoreSync('seen', { size: 16 * basePageSize, pages: 'base' }))
    try {
      const own = region.translate().runs()
      const run = await pinfold(['translate', process.pid, region.address, region.size, '--json'])
      expect(run).toMatchObject({ code: 0, stderr: '' })
      const report = reportSchema.parse(jsonOf(run))
      expect(report.states).toEqual({ present: 16, swapped: 0, hidden: 0, absent: 0 })
      expect(report.runs).toEqual(
        own.map(({ offset, physicalAddress, length }) => ({
          address: `0x${(region.address + BigInt(offset)).toString(16)}`,
          physicalAddress: `0x${physicalAddress.toString(16)}`,
          length,
        })),
      )
      expect(report.mappings).toMatchObject([{ permissions: 'rw-s', name: '/memfd:pinfold:seen (deleted)' }])
      for (const { flags, mapCount } of report.stretches) {
        expect(flags).toContain('fileOrShared')
        expect(mapCount).toBe(1)
      }
    } finally {
      region.close()
    }
  })

  test('of one byte prints the physical address of this byte', async (context) => {
    needs(context, whyNotPhysical)
    const region = new Region(allocateCoreSync('byte', { size: basePageSize, pages: 'base' }))
    try {
      const expected = region.translate().physicalAt(0x123)
      const { code, stdout } = await pinfold(['translate', process.pid, region.address + 0x123n])
      expect(code).toBe(0)
      expect(stdout).toContain(`0x${(region.address + 0x123n).toString(16)} is at 0x${expected.toString(16)}`)
    } finally {
      region.close()
    }
  })

  test('reports absent pages, also where nothing is mapped', async () => {
    const run = await pinfold(['translate', process.pid, '0x1000', basePageSize, '--json'])
    expect(run.code).toBe(0)
    const report = reportSchema.parse(jsonOf(run))
    expect(report).toMatchObject({ runs: [], mappings: [], states: { present: 0 } })
    expect(report.stretches.map(({ state }) => state)).toEqual(['absent'])
  })

  test('lists the first 32 of many stretches, and all of them with --all', async () => {
    const region = new Region(allocateCoreSync('many', { size: 128 * basePageSize, pages: 'base' }))
    try {
      const words = ['translate', process.pid, region.address, region.size]
      const count = async () => reportSchema.parse(jsonOf(await pinfold([...words, '--json']))).stretches.length
      const rows = async (more: string[]) =>
        (await pinfold([...words, ...more])).stdout.split('\n').filter((line) => line.startsWith('0x')).length
      // The kernel may move pages between two commands. So it counts only what stands between two equal counts.
      for (;;) {
        const [before, first, all, after] = [await count(), await rows([]), await rows(['--all']), await count()]
        if (before !== after) continue
        expect(first).toBe(Math.min(32, before))
        expect(all).toBe(before)
        break
      }
    } finally {
      region.close()
    }
  })

  test('of an unknown process or of too large a range is an error', async () => {
    const gone = await pinfold(['translate', 2 ** 22 + 1, '0x1000', '--json'])
    expect(gone.code).toBe(1)
    expect(jsonOf(gone)).toMatchObject({ schema: 'pinfold/error/1', code: 'ERR_PROCESS_UNKNOWN' })
    expect((await pinfold(['translate', process.pid, '0x1000', '1TiB'])).code).toBe(2)
    expect((await pinfold(['translate', process.pid, '0xffffffffff600000'])).code).toBe(2)
  })

  describe('by a user without privileges', () => {
    const reason = whyNotNobody()
    let sleeper: ChildProcess | undefined
    let stack: bigint

    beforeAll(async () => {
      if (reason !== undefined) return
      sleeper = spawn(asNobody[0] ?? '', [...asNobody.slice(1), 'sleep', '600'], { stdio: 'ignore' })
      await once(sleeper, 'spawn')
      // The process must have become `sleep`: exec replaces the stack.
      while (readFileSync(`/proc/${sleeper.pid}/comm`, 'utf8').trim() !== 'sleep') await new Promise(setImmediate)
      const maps = parseMappings(readFileSync(`/proc/${sleeper.pid}/maps`, 'utf8'))
      stack = (maps.find(({ name }) => name === '[stack]')?.end ?? 0n) - 1n
    })

    afterAll(() => {
      sleeper?.kill('SIGKILL')
    })

    beforeEach((context) => needs(context, reason))

    test('reports hidden pages as hidden, with exit code 4', async () => {
      const run = await pinfold(['translate', sleeper?.pid ?? 0, stack, '--json'], { prefix: asNobody })
      const report = reportSchema.parse(jsonOf(run))
      expect(report.states).toMatchObject({ hidden: 1 })
      expect(report.stretches).toMatchObject([{ state: 'hidden', physicalAddress: null }])
      expect(report.kernelFlagsUnknown).toContain('CAP_SYS_ADMIN')
      expect(run.code).toBe(4)
    })

    test('is refused for another user’s process', async () => {
      const run = await pinfold(['translate', process.pid, '0x1000', '--json'], { prefix: asNobody })
      expect(run.code).toBe(4)
      expect(jsonOf(run)).toMatchObject({ code: 'ERR_PERMISSION' })
    })
  })
})
