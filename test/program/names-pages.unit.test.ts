import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { functionsOf, namesOn, standsFor } from '../support/c-header.js'
import { needs } from '../support/requirements.js'

// The pages that place the names of other libraries beside ours, compared with the headers that are installed.

const verbs = '/usr/include/infiniband/verbs.h'
const dpdk = '/usr/include/dpdk'

function missing(path: string, package_: string): string | undefined {
  return existsSync(path) ? undefined : `needs ${path} (Debian: ${package_})`
}

describe('the reader of headers', () => {
  test('finds functions, inline functions and macros, and nothing that is called, typed or commented', () => {
    const header = `
      /* ibv_old(); */
      #define ibv_macro(a) \\
        ibv_hidden(a)
      extern "C" {
      typedef int (*ibv_callback)(int);
      struct ibv_thing { int (*ibv_member)(void); };
      int ibv_plain(struct ibv_thing *thing);
      static inline int ibv_inline(void) { if (1) { return ibv_called(); } return 0; }
      }`
    expect(functionsOf(header, 'ibv_')).toEqual(['ibv_inline', 'ibv_macro', 'ibv_plain'])
  })
})

describe('the page of libibverbs', () => {
  const page = readFileSync('docs/libibverbs.md', 'utf8')
  beforeEach((context) => needs(context, missing(verbs, 'libibverbs-dev')))

  test('names every function of the header', () => {
    const functions = functionsOf(readFileSync(verbs, 'utf8'), 'ibv_')
    expect(functions.length).toBeGreaterThan(150)
    const named = new Set(namesOn(page, 'ibv_'))
    expect(functions.filter((name) => !named.has(name))).toEqual([])
  })

  test('names nothing else, apart from programs and from newer functions', () => {
    const header = readFileSync(verbs, 'utf8')
    const newer = page.slice(page.indexOf('## Newer than'), page.indexOf('## pyverbs'))
    const known = new Set([...namesOn(newer, 'ibv_'), 'ibv_devices', 'ibv_devinfo', 'ibv_rc_pingpong', 'ibv_wr_flush'])
    const unknown = namesOn(page, 'ibv_').filter(
      (name) => !known.has(name) && !new RegExp(`\\b${name.replaceAll('*', '\\w*')}\\b`).test(header),
    )
    expect(unknown).toEqual([])
  })
})

describe('the page of libibverbs, beside our code', () => {
  const rows = readFileSync('docs/libibverbs.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))

  test('says of no function that it is not offered if the addon calls it', () => {
    const table = readFileSync('native/verbs/function_table.h', 'utf8')
    const called = [...table.matchAll(/visit\("(ibv_\w+)"/g)].map(([, name = '']) => name)
    expect(called.length).toBeGreaterThan(50)
    const refused = rows.filter((row) => row.includes('not offered'))
    expect(called.filter((name) => refused.some((row) => row.split('|')[1]?.includes(`\`${name}\``)))).toEqual([])
  })
})

describe.each(['docs/libibverbs.md', 'docs/dpdk-and-spdk.md'])('%s', (page) => {
  test('names no call of pinfold that does not exist', () => {
    const theirs = /^(rte_|spdk_|ibv_|get_device_list$|cqe_status_to_str$)/
    const source = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(`src/${name}`, 'utf8'))
      .join('\n')
    const spans = [...readFileSync(page, 'utf8').matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span)
    const calls = spans.flatMap((span) => [...span.matchAll(/(\w+)\(/g)].map(([, name = '']) => name))
    const ours = new Set(calls.filter((name) => !theirs.test(name) && name !== 'log'))
    expect(ours.size).toBeGreaterThan(30)
    expect(
      [...ours].filter(
        (name) => !new RegExp(`^ *(export )?(async |static )*(function )?${name}[(<]`, 'm').test(source),
      ),
    ).toEqual([])
  })
})

describe('the page of DPDK and SPDK', () => {
  const page = readFileSync('docs/dpdk-and-spdk.md', 'utf8')
  beforeEach((context) => needs(context, missing(dpdk, 'libdpdk-dev')))

  const headers = [
    'rte_mempool.h',
    'rte_mbuf.h',
    'rte_mbuf_dyn.h',
    'rte_ring.h',
    'rte_ring_elem.h',
    'rte_ring_hts.h',
    'rte_ring_rts.h',
    'rte_ring_peek.h',
    'rte_ring_peek_zc.h',
    'rte_malloc.h',
    'rte_memzone.h',
    'rte_memory.h',
    'rte_eal.h',
  ]

  test.each(headers)('names every function of %s', (header) => {
    const functions = functionsOf(readFileSync(`${dpdk}/${header}`, 'utf8'), 'rte_')
    expect(functions.length).toBeGreaterThan(5)
    const named = namesOn(page, 'rte_')
    expect(functions.filter((name) => !named.some((pattern) => standsFor(pattern, name)))).toEqual([])
  })

  test('names nothing that DPDK does not have', () => {
    const text = readdirSync(dpdk)
      .filter((name) => name.endsWith('.h'))
      .map((name) => readFileSync(`${dpdk}/${name}`, 'utf8'))
      .join('\n')
    const unknown = namesOn(page, 'rte_').filter(
      (name) => !new RegExp(`\\b${name.replaceAll('*', '\\w*')}\\b`).test(text),
    )
    expect(unknown).toEqual([])
  })
})
