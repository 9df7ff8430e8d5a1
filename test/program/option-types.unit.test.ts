import { expectTypeOf, test } from 'vitest'
import * as z from 'zod/mini'
import { checked, optionsOf } from '../../src/options.js'

// The compiler checks these tests. The functions in them are never called.

interface Options {
  readonly name: string
  readonly count?: number | undefined
}

test('a schema that agrees with its interface returns the values of the interface', () => {
  const schema = optionsOf<Options>()({ name: z.string(), count: z.optional(z.int()) })
  expectTypeOf<z.input<typeof schema>>().toExtend<Options>()
  expectTypeOf<Options>().toExtend<z.input<typeof schema>>()
  expectTypeOf(checked('test', schema, { name: 'a' }).name).toBeString()
})

test('a schema that differs from its interface does not compile', () => {
  const wrong = () => [
    // @ts-expect-error: the schema lacks `count`
    optionsOf<Options>()({ name: z.string() }),
    // @ts-expect-error: the interface lacks `size`
    optionsOf<Options>()({ name: z.string(), count: z.optional(z.int()), size: z.optional(z.int()) }),
    // @ts-expect-error: the schema takes a count of another type
    optionsOf<Options>()({ name: z.string(), count: z.optional(z.union([z.int(), z.string()])) }),
    // @ts-expect-error: the schema needs a count
    optionsOf<Options>()({ name: z.string(), count: z.int() }),
    // @ts-expect-error: the schema refuses some names
    optionsOf<Options>()({ name: z.enum(['a', 'b']), count: z.optional(z.int()) }),
  ]
  expectTypeOf(wrong).toBeFunction()
})
