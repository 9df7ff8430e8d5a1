import { describe, expect, onTestFinished, test } from 'vitest'
import * as z from 'zod/mini'
import { checked, checkRange, signalOption, sizeOption } from '../../src/options.js'

describe('the refusal of a wrong option', () => {
  const schema = z.strictObject({
    size: z.optional(sizeOption),
    threads: z.optional(z.int().check(z.minimum(1))),
    lock: z.optional(z.boolean()),
    policy: z.optional(z.enum(['bind', 'local'])),
    nodes: z.optional(z.array(z.int()).check(z.minLength(1))),
    signal: z.optional(signalOption),
  })

  test.each([
    [undefined, 'expected object, received undefined'],
    [
      { size: '64 potatoes' },
      "size: expected a size in bytes, or with a unit such as '64MiB', received '64 potatoes' of type string",
    ],
    [{ threads: 0 }, 'threads: expected number to be >=1, received 0 of type number'],
    [{ threads: '2' }, "threads: expected number, received '2' of type string"],
    [{ lock: null }, 'lock: expected boolean, received null'],
    [{ policy: 'x' }, 'policy: expected one of "bind"|"local", received \'x\' of type string'],
    [{ nodes: [0, 1.5] }, 'nodes.1: expected int, received 1.5 of type number'],
    [{ signal: new EventTarget() }, 'signal: expected an AbortSignal, received a value of type object'],
    [{ sizes: 1 }, 'sizes: there is no such option, received 1 of type number'],
  ])('of %o names the option, the expected value and the received value, once', (given, message) => {
    expect(() => checked('allocate', schema, given)).toThrowCode('ERR_INVALID_ARGUMENT', {
      message: `allocate: ${message}`,
    })
  })
})

test('a refusal is in English, whatever language the program has chosen for zod', () => {
  z.config(z.locales.de())
  onTestFinished(() => void z.config({ localeError: undefined }))
  expect(z.int().safeParse('2').error?.issues[0]?.message).toContain('erwartet')
  expect(() => checked('allocate', z.object({ threads: z.int() }), { threads: '2' })).toThrowCode(
    'ERR_INVALID_ARGUMENT',
    { message: "allocate: threads: expected number, received '2' of type string" },
  )
})

test.each([
  [0, 0],
  [0, 10],
  [10, 0],
  [3, 7],
])('%d and %d are a range of 10', (offset, length) => {
  expect(() => checkRange('view', offset, length, 10)).not.toThrow()
})

test.each([
  [-1, 1, 'offset'],
  [0.5, 1, 'offset'],
  [Number.NaN, 1, 'offset'],
  [11, 0, 'offset'],
  [0, 11, 'length'],
  [10, 1, 'length'],
  [0, -1, 'length'],
  [0, Number.NaN, 'length'],
])('%d and %d are not a range of 10, and the error names the wrong value', (offset, length, wrong) => {
  expect(() => checkRange('view', offset, length, 10)).toThrowCode('ERR_OUT_OF_RANGE', {
    values: { [wrong]: wrong === 'offset' ? offset : length },
  })
})
