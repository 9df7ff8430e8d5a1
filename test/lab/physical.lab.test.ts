import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { lab, whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

/** A line that physical-in-lab.mjs or maps-in-lab.mjs prints, in test/support/programs. */
interface Said {
  readonly dma?: string
  readonly differences?: number
  readonly beyond?: number
  readonly length?: number
  readonly code?: string
  readonly placed?: string
  readonly node?: number
  readonly nodes?: readonly number[]
  readonly use?: readonly string[]
  readonly bound?: string
  readonly sums?: string
  readonly counted?: readonly number[]
  readonly found?: readonly number[]
  readonly reverse?: number
  readonly nobody?: string
}

let said: readonly Said[] = []

beforeAll(async () => {
  if (whyNoLab() !== undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-edu-'))
  try {
    const program = join(folder, 'edu')
    const source = fileURLToPath(new URL('../support/programs/edu.c', import.meta.url))
    execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program, source])
    const scripts = ['physical', 'maps'].map((name) => {
      return fileURLToPath(new URL(`../support/programs/${name}-in-lab.mjs`, import.meta.url))
    })
    // The guest has its own /tmp. Guest and host share $LAB_OUT, but programs run slowly from there.
    const inside = 'cp $LAB_OUT/edu /run/edu && "$0" "$1" /run/edu && exec "$0" "$2"'
    const options = ['--edu', '--numa', '2', '--memory', '6GiB', '--out', folder]
    const { status, stdout, stderr } = await lab([
      'run',
      ...options,
      '--',
      'sh',
      '-c',
      inside,
      process.execPath,
      ...scripts,
    ])
    if (status !== 0) throw new Error(`the lab ended with ${status}: ${stderr}`)
    said = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 300_000)

describe('a device that knows no virtual addresses', () => {
  for (const pages of ['base', '2MiB', '1GiB']) {
    test(`copies within a region of ${pages} pages at the physical addresses of its translation`, (context) => {
      needs(context, whyNoLab())
      const copied = said.find(({ dma }) => dma === pages)
      if (pages === '1GiB' && copied?.code === 'ERR_HUGEPAGES_SHORT') {
        context.skip('the machine of the lab has no page of 1 GiB to give')
      }
      expect(copied).toMatchObject({ differences: -1, beyond: -1 })
      expect(copied?.length).toBeGreaterThan(2048)
    })
  }
})

describe('on two NUMA nodes', () => {
  beforeEach((context) => needs(context, whyNoLab()))

  for (const pages of ['base', '2MiB', 'transparent']) {
    test.each([0, 1])(`a region of ${pages} pages that is bound to node %i lies there`, (node) => {
      const found = said.find(({ placed, node: on }) => placed === pages && on === node)
      expect(found).toMatchObject({ nodes: [node], use: [`${node}`] })
    })
  }
})

describe('memory maps on Linux 6.1 with two NUMA nodes', () => {
  beforeEach((context) => needs(context, whyNoLab()))

  for (const pages of ['base', '2MiB', 'transparent']) {
    test.each([0, 1])(
      `the map of a region of ${pages} pages on node %i names the node of its memory blocks`,
      (node) => {
        const map = said.find(({ bound, node: on }) => bound === pages && on === node)
        expect(map).toMatchObject({ nodes: [node], blocks: [node], present: 4 * 2 ** 20 })
      },
    )
  }

  test('the map of a process has as many bytes on each node as numa_maps', () => {
    const { counted, found } = said.find(({ sums }) => sums !== undefined) ?? {}
    expect(found).toEqual(counted)
    for (const bytes of counted ?? []) expect(bytes).toBeGreaterThan(12 * 2 ** 20)
  })

  test('the reverse map finds as many mappings as kpagecount counts', () => {
    const searches = said.filter(({ reverse }) => reverse !== undefined)
    expect(searches).toHaveLength(2)
    for (const search of searches) expect(search).toMatchObject({ processes: 2, mapCount: 2, counted: 2 })
  })

  test('a user without privileges sees the pages of a map, and no place, and cannot search for a page', () => {
    const map = said.find(({ nobody }) => nobody !== undefined)
    const entries = [{ pages: 'base', pageSize: 4096, level: 'PTE', entries: 256, bytes: 2 ** 20 }]
    expect(map).toMatchObject({ nobody: 'ERR_PERMISSION', present: 0, hidden: 2 ** 20, runs: [], entries })
  })
})
