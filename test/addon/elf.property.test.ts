import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { readElfHeader, readElfNeeds } from '../../src/addon/elf.js'
import { addon, scratchFolder } from '../support/addon-package.js'
import { linkedWith } from '../support/machine-code.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNotBuilt))

test('of the addon the header is right, and so are the libraries and versions that it needs', () => {
  expect(readElfHeader(addon)).toMatchObject({ arch: process.arch, bits: 64, isLibrary: true })
  const { libraries = [], versions = [], isAddon } = readElfNeeds(addon) ?? {}
  expect(isAddon).toBe(true)
  expect(libraries.length).toBeGreaterThan(0)
  for (const name of libraries) expect(name).toMatch(/^[\w+.-]+\.so[\w.-]*$/)
  for (const name of versions) expect(name).toMatch(/^[A-Z]+_[\d.]+$/)
})

test('of a small addon all that it needs is known', () => {
  const path = linkedWith(join(scratchFolder(), 'small.node'), { soname: 'libc.so.6', version: 'GLIBC_2.99' })
  expect(readElfNeeds(path)).toEqual({ libraries: ['libc.so.6'], versions: ['GLIBC_2.99'], isAddon: true })
})

test('a file with any damage is read to an end, without another error', () => {
  const folder = scratchFolder()
  const whole = readFileSync(linkedWith(join(folder, 'whole.node'), { soname: 'libc.so.6', version: 'GLIBC_2.99' }))
  const path = join(folder, 'damaged.node')
  const damage = fc.record({
    // Most of the numbers that lead to other places lie at the beginning, and the dynamic section near the end.
    at: fc.oneof(fc.nat({ max: 511 }), fc.nat({ max: whole.length - 1 })),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  })
  const length = fc.oneof(fc.constant(whole.length), fc.nat({ max: whole.length }))
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), length, (damages, length) => {
      const file = Buffer.from(whole)
      for (const { at, bytes } of damages) file.set(bytes.subarray(0, whole.length - at), at)
      writeFileSync(path, file.subarray(0, length))
      const header = readElfHeader(path)
      expect(header?.size ?? length).toBe(length)
      if (header === undefined || header.size < header.neededSize || header.bits === 32) return
      readElfNeeds(path)
    }),
    { numRuns: 3000 },
  )
})
