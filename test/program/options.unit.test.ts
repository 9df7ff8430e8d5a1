import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { checked, checkRange, signalOption, sizeOption } from '../../src/options.js'

describe('the refusal of a wrong option', () => {
  const schema = z.strictObject({
    size: sizeOption.optional(),
    threads: z.int().min(1).optional(),
    lock: z.boolean().optional(),
    policy: z.enum(['bind', 'local']).optional(),
    nodes: z.array(z.int()).min(1).optional(),
    signal: signalOption.optional(),
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
