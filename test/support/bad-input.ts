// Values that a program without types, or with bad intentions, may pass to an entry point.

/** A value to pass, and the value that the refusal must name: a part of it, or all of it. */
export interface WrongInput {
  readonly given: unknown
  readonly named: unknown
}

function trap(): never {
  throw new Error('a trap of the caller')
}

/** Objects that throw when they are read. */
export function hostileObjects(): unknown[] {
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  return [
    new Proxy({}, new Proxy({}, { get: () => trap })),
    new Proxy([], new Proxy({}, { get: () => trap })),
    revoked.proxy,
    {
      toString: trap,
      valueOf: trap,
      [Symbol.toPrimitive]: trap,
      toJSON: trap,
      get size() {
        return trap()
      },
    },
  ]
}

/** An array that takes no memory. A copy of it takes all memory, and a loop over it takes for ever. */
export const sparse: unknown[] = []
sparse.length = 2 ** 32 - 1
/** A number that takes 20 seconds to be written in decimal. */
export const hugeBigint = 1n << 100_000_000n
/** A text that no error message should contain. */
export const longText = 'x'.repeat(2 ** 24)

/** Values of every type, except numbers and the types of `except`. */
export function wrongTypes(...except: readonly string[]): unknown[] {
  const all = [
    ...[null, true, 'a word', '', Symbol('a symbol'), 5n, () => 5, { valueOf: () => 5 }, [5]],
    ...[sparse, hugeBigint, -hugeBigint, longText, Symbol(longText)],
  ]
  return [
    ...all.filter((value) => !except.includes(typeof value)),
    ...(except.includes('object') ? [] : hostileObjects()),
  ]
}

/** Numbers that are not a count, of bytes or of anything else. */
export const wrongNumbers: readonly unknown[] = [-1, -0.5, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53]

/** Values that are neither an offset into `size` bytes nor a length. */
export function wrongOffsets(size: number): unknown[] {
  return [undefined, ...wrongLengths(size)]
}

/** Wrong lengths for a range that runs to the end if no length is given. */
export function wrongLengths(size: number): unknown[] {
  return [...wrongNumbers, size + 1, ...wrongTypes()]
}

export const wrongSizes: readonly unknown[] = [
  0,
  ...wrongNumbers,
  '64 MiB of it',
  '-64MiB',
  '0MiB',
  '0.5B',
  `${'9'.repeat(400)}MiB`,
  'NaN',
  longText,
  `1${' '.repeat(2 ** 24)}MiB`,
  ...wrongTypes('string'),
]

/** Inputs of which the refusal must name the whole value. */
export function values(list: readonly unknown[]): WrongInput[] {
  return list.map((value) => ({ given: value, named: value }))
}

/** Options that are right, except for one. */
export function option(right: object, key: string, list: readonly unknown[]): WrongInput[] {
  return list.map((value) => ({ given: { ...right, [key]: value }, named: value }))
}

/** Options that are right, except for a part of one. */
export function inside(right: object, key: string, list: readonly (readonly [unknown, unknown])[]): WrongInput[] {
  return list.map(([value, named]) => ({ given: { ...right, [key]: value }, named }))
}

const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`option ${index}`, index]))

/** Wrong options of any kind: no object, an object with more keys, an object whose getter throws. */
export function wrongObjects(right: object): WrongInput[] {
  const getters = Object.keys(right).map((key) =>
    Object.defineProperty({ ...right }, key, { enumerable: true, get: trap }),
  )
  const polluted: unknown = JSON.parse('{"__proto__":{"polluted":true}}')
  const indexed = [new Uint8Array(1000), sparse, new String('x'.repeat(1000))]
  return [
    ...values([7, Number.NaN, ...wrongTypes(), ...getters]),
    // Objects with a key for each element, of their own or of their prototype.
    ...values([many, ...indexed.flatMap((object) => [object, Object.create(object), new Proxy(object, {})])]),
    { given: { ...right, [longText]: 1 }, named: undefined },
    { given: { ...right, wrong: 'wrong' }, named: 'wrong' },
    { given: { ...right, constructor: 'constructor' }, named: 'constructor' },
    {
      given: Object.defineProperties({ ...right }, Object.getOwnPropertyDescriptors(polluted)),
      named: { polluted: true },
    },
  ]
}

/** Values that are not an AbortSignal. Some look like one. */
export function wrongSignals(): unknown[] {
  return [
    Object.create(AbortSignal.prototype),
    { aborted: false, addEventListener: () => {}, removeEventListener: () => {}, throwIfAborted: () => {} },
    new AbortController(),
    7,
    ...wrongTypes(),
  ]
}
