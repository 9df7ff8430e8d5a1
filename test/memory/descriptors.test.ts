import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { borrowHugepages } from '../../src/hugepages/index.js'
import { openRegistrySync, type RegionOptions } from '../../src/index.js'
import { MiB } from '../../src/sizes.js'
import { base, kept } from '../support/registries.js'
import { needs, whyNotPools } from '../support/requirements.js'
import { opened, sharedFile } from '../support/shared-memory.js'

/** The descriptors that an open region takes, and those that are left when it is closed. */
function descriptorsOf(options: RegionOptions): [open: number, closed: number] {
  const count = () => readdirSync('/proc/self/fd').length
  const memory = kept(openRegistrySync())
  memory.allocateSync('first', base)
  const before = count()
  const region = memory.allocateSync('region', options)
  const open = count() - before
  region.close()
  return [open, count() - before]
}

test.each<[string, RegionOptions]>([
  ['base pages', base],
  ['locked base pages', { ...base, lock: true }],
  ['transparent pages', { size: '4MiB', pages: 'transparent' }],
  ['anonymous memory', { ...base, backing: 'anonymous' }],
])('an open region of %s keeps no descriptor', (_, options) => {
  expect(descriptorsOf(options)).toEqual([0, 0])
})

test('an open region of base pages that others have made keeps none, either', () => {
  const descriptor = opened(sharedFile(MiB))
  expect(descriptorsOf({ size: MiB, backing: { descriptor, mayShrink: true } })).toEqual([0, 0])
})

test('an open region of hugetlb pages keeps one, until it is closed', (context) => {
  needs(context, whyNotPools())
  using _loan = borrowHugepages({ pageSize: '2MiB', pages: 1 })
  expect(descriptorsOf({ size: '2MiB', pages: '2MiB' })).toEqual([1, 0])
  expect(descriptorsOf({ size: '2MiB', pages: '2MiB', backing: 'anonymous' })).toEqual([0, 0])
})
