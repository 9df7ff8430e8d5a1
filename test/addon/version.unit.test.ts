import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { version } from '../../src/addon/version.js'

test('the version of the library is that of the package', () => {
  expect(JSON.parse(readFileSync('package.json', 'utf8'))).toMatchObject({ version })
})
