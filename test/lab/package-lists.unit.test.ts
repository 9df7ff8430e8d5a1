import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { architectureOf } from '../../src/lab/architectures.js'
import { packageListsOf } from '../../src/lab/package-lists.js'

test('lists of packages for another processor lie in the cache alone, and apt writes nowhere else', () => {
  vi.stubEnv('XDG_CACHE_HOME', '/somewhere')
  const other = architectureOf(process.arch === 'arm64' ? 'x64' : 'arm64')
  const { options, state } = packageListsOf(other)
  const folder = join('/somewhere/pinfold/lab', `lists-${state}`, 'content')
  expect(options).toContain(`APT::Architecture=${other.debian}`)
  for (const name of ['Dir::State', 'Dir::Cache']) expect(options).toContain(`${name}=${folder}`)
  expect(options).toContain(`Dir::State::status=${folder}/status`)
})

test('the lists for this processor are those of this machine', () => {
  expect(packageListsOf(architectureOf(undefined)).options).toEqual([])
})
