import assert from 'node:assert/strict'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { openRegistrySync, PinfoldError, type RegionOptions } from '../../../src/index.js'
import { mappedRegions } from '../mapped-regions.js'
import { assertNoPages, assertReleased } from './free-pages.js'

// Makes regions while few descriptors are left, and then none. It is started with a limit of descriptors. The arguments
// are a size of hugetlb pages, and a folder on a hugetlbfs mount, if there is one.

const [pages = '', folder] = process.argv.slice(2)
const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1])
const reserve = Math.floor(limit / 8)
const memory = openRegistrySync({ leaks: 'off' })
const base: RegionOptions = { size: 4096, pages: 'base' }

const taken: number[] = []
/** Opens files until `number` is the lowest free descriptor, or none is left. */
function takeUpTo(number: number): number {
  const before = taken.length
  try {
    while ((taken.at(-1) ?? 0) < number - 1) taken.push(openSync('/dev/null', 'r'))
  } catch (error) {
    assert.match(String(error), /EMFILE/)
  }
  return taken.length - before
}

function held(): unknown {
  return [readdirSync('/proc/self/fd').length, mappedRegions(), memory.list().length, folder && readdirSync(folder)]
}

function isShort(values: object): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PinfoldError)
    assert.deepEqual([error.code, error.values, error.errno], ['ERR_DESCRIPTORS_SHORT', values, 24])
    assert.match(error.hint ?? '', /LimitNOFILE=/)
    return true
  }
}

const openBefore = readdirSync('/proc/self/fd').length
for (let i = 0; i < 5000; i++) memory.allocateSync(`region-${i}`, base)
memory.allocateSync('transparent', { size: '2MiB', pages: 'transparent' })
assert.equal(readdirSync('/proc/self/fd').length, openBefore)

takeUpTo(limit - reserve)
memory.allocateSync('first', base)
const huge: RegionOptions = { size: 1, pages }
const before = held()
for (const options of [huge, ...(folder === undefined ? [] : [{ ...huge, backing: { file: `${folder}/file` } }])]) {
  assert.throws(() => memory.allocateSync('huge', options), isShort({ open: limit - reserve, limit, reserve }))
  await assert.rejects(memory.allocate('huge', options), isShort({ open: limit - reserve, limit, reserve }))
}
assert.deepEqual(held(), before)
const { passedOver } = memory.allocateSync('other', { size: 1, pages: [pages, 'base'] })
assert.equal(passedOver[0]?.code, 'ERR_DESCRIPTORS_SHORT')
// What regions leave is the program's.
assert.equal(takeUpTo(limit), reserve)
const { length } = memory.list()
const some: RegionOptions[] = [
  base,
  { size: '2MiB', pages: 'transparent' },
  { ...base, size: '2MiB', lock: true },
  { ...base, numa: { policy: 'prefer', nodes: [0] } },
  { size: 1, backing: { descriptor: 0 } },
]
for (const options of some) {
  assert.throws(() => memory.allocateSync('none', options), isShort({ open: limit, limit }))
  await assert.rejects(memory.allocate('none', options), isShort({ open: limit, limit }))
}
assert.throws(
  () => memory.allocateSync('none', { size: '2MiB', pages: ['transparent', 'base'] }),
  (error) =>
    error instanceof PinfoldError && error.code === 'ERR_DESCRIPTORS_SHORT' && /LimitNOFILE=/.test(error.hint ?? ''),
)
assert.equal(memory.list().length, length)
for (const file of taken) closeSync(file)
memory.allocateSync('last', base)
memory.close()
assertNoPages()
await assertReleased()
console.log('done')
