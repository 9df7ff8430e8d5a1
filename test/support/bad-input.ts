// What a program without types, or with bad intentions, may pass; shared by the tests of the doors.

/** Something to pass, and what the refusal must name: a value inside of it, or all of it. */
export interface WrongInput {
  readonly given: unknown
  readonly named: unknown
}

function trap(): never {
  throw new Error('a trap of the caller')
}

/** Objects that throw when they are looked at. */
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

/** An array that takes no memory, and of which a copy, or a look at each element, takes all there is. */
export const sparse: unknown[] = []
sparse.length = 2 ** 32 - 1
/** A number that takes 20 seconds to be written in decimal. */
export const hugeBigint = 1n << 100_000_000n
/** A text that no error should be made of. */
export const longText = 'x'.repeat(2 ** 24)

/** Of every type there is, but numbers, and what is left out. */
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

/** No number of bytes, nor of anything else that is counted. */
export const wrongNumbers: readonly unknown[] = [-1, -0.5, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53]

/** No place in something of `size` bytes, nor a length there. */
export function wrongOffsets(size: number): unknown[] {
  return [undefined, ...wrongLengths(size)]
}

/** Of a range that runs to the end when no length is given. */
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

/** Each of the values itself. */
export function values(list: readonly unknown[]): WrongInput[] {
  return list.map((value) => ({ given: value, named: value }))
}

/** Options that are right but for one. */
export function option(right: object, key: string, list: readonly unknown[]): WrongInput[] {
  return list.map((value) => ({ given: { ...right, [key]: value }, named: value }))
}

/** Options that are right but for something inside of one. */
export function inside(right: object, key: string, list: readonly (readonly [unknown, unknown])[]): WrongInput[] {
  return list.map(([value, named]) => ({ given: { ...right, [key]: value }, named }))
}

const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`option ${index}`, index]))

/** What is wrong with any options: no object, one that has more keys, one whose getter throws. */
export function wrongObjects(right: object): WrongInput[] {
  const getters = Object.keys(right).map((key) =>
    Object.defineProperty({ ...right }, key, { enumerable: true, get: trap }),
  )
  const polluted: unknown = JSON.parse('{"__proto__":{"polluted":true}}')
  const indexed = [new Uint8Array(1000), sparse, new String('x'.repeat(1000))]
  return [
    ...values([7, Number.NaN, ...wrongTypes(), ...getters]),
    // What has a key for each element, by itself or by what it inherits from.
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

/** No AbortSignal, though some look like one. */
export function wrongSignals(): unknown[] {
  return [
    Object.create(AbortSignal.prototype),
    { aborted: false, addEventListener: () => {}, removeEventListener: () => {}, throwIfAborted: () => {} },
    new AbortController(),
    7,
    ...wrongTypes(),
  ]
}
