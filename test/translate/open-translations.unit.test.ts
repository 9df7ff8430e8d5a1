import { expect, test } from 'vitest'
import { Translation } from '../../src/translate/translation.js'
import { collected } from '../support/garbage-collection.js'
import { displacementsOf, MiB2, rangeOf } from '../support/translations.js'

test('a dropped translation is collected while its region is open', async () => {
  const range = rangeOf(MiB2, MiB2)
  let gone = 0
  const registry = new FinalizationRegistry(() => gone++)
  for (let round = 0; round < 10; round++) registry.register(new Translation(range, displacementsOf([MiB2])), round)
  const kept = new Translation(range, displacementsOf([MiB2]))

  // The last translation may still be on the stack.
  expect(await collected(() => gone >= 9)).toBe(true)

  expect(kept.physicalAt(0)).toBe(MiB2)
  range.close()
  expect(() => kept.physicalAt(0)).toThrowCode('ERR_REGION_CLOSED')
})

test('a region adds one listener, however often it is translated', () => {
  const range = rangeOf(MiB2, MiB2)
  let listeners = 0
  const counted = { ...range, onClose: () => listeners++ }
  for (let round = 0; round < 100; round++) new Translation(counted, displacementsOf([MiB2]))
  expect(listeners).toBe(1)
})
