import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { windowSize, windowStep } from '../../src/memory/region-core.js'
import { backingKind, mappingFlag, pageKind, pageState, policyKind } from '../../src/native.js'
import { eventKind, keyWords, unknownGidType } from '../../src/native-verbs.js'
import { closingOrder } from '../../src/rdma/contract/closing-order.js'
import { refusalReasons } from '../../src/rdma/contract/refusal-reasons.js'
import * as layout from '../../src/rdma/contract/work-layout.js'
import * as words from '../../src/rdma/verbs/attribute-words.js'

// Numbers that are written in TypeScript and in C++. Both sides use the same names, so a changed number fails here, and
// so does a name that is missing on one side.

type Numbers = Readonly<Record<string, number>>

function source(file: string): string {
  return readFileSync(fileURLToPath(new URL(`../../native/${file}`, import.meta.url)), 'utf8').replace(
    / *\/\/.*$/gm,
    '',
  )
}

/** The text between the braces that follow `head`, which must occur once. */
function bodyOf(file: string, head: string): string {
  const [, body, ...more] = source(file).split(`${head} {`)
  if (body === undefined || more.length > 0) throw new Error(`native/${file} does not have '${head}' once`)
  return body.slice(0, body.indexOf('}'))
}

const lowerFirst = (name: string) => name.charAt(0).toLowerCase() + name.slice(1)
const camelCase = (spaced: string) => spaced.replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase())

/** The members of an `enum class`, in their order. A member without a number is one more than the member before. */
function enumOf(file: string, name: string): Numbers {
  const members: Record<string, number> = {}
  let next = 0
  for (const member of bodyOf(file, `enum class ${name} : std::uint8_t`).split(',')) {
    if (member.trim() === '') continue
    const [, key, value] = /^(\w+)(?: = (\d+))?$/.exec(member.trim()) ?? []
    if (key === undefined) throw new Error(`native/${file}, ${name}: '${member.trim()}' is not understood`)
    next = value === undefined ? next : Number(value)
    members[lowerFirst(key)] = next++
  }
  return members
}

/** The constants `k…` with a plain value, in a namespace of a file or in the whole file. */
function constantsOf(file: string, namespace?: string): Numbers {
  const text = namespace === undefined ? source(file) : bodyOf(file, `namespace ${namespace}`)
  const found = [...text.matchAll(/^constexpr [\w:]+ k(\w+) = ([^;]+);$/gm)]
  const known = found.map(([, name = '', value = '']) => [lowerFirst(name), numberOf(value)] as const)
  return Object.fromEntries(known.filter((entry): entry is readonly [string, number] => entry[1] !== undefined))
}

/** The value of `3`, `3U`, `std::size_t{4} << 30` or `-0x1p60`; undefined for an expression of other constants. */
function numberOf(expression: string): number | undefined {
  const whole = /^(?:std::\w+\{)?(-?\d+)U?\}?(?: << (\d+)U?)?$/.exec(expression)
  if (whole !== null) return Number(whole[1]) * 2 ** Number(whole[2] ?? 0)
  const power = /^(-?)0x(\d)p(\d+)$/.exec(expression)
  return power === null ? undefined : Number(`${power[1]}${power[2]}`) * 2 ** Number(power[3])
}

/** The numbers with these names, out of a file that contains others, too. */
function pick(numbers: Numbers, names: readonly string[]): Numbers {
  return Object.fromEntries(Object.entries(numbers).filter(([name]) => names.includes(name)))
}

const { misalignedAtomic, ...nativeReasons } = refusalReasons.byName

const sameNumbers: readonly (readonly [string, Numbers, () => Numbers])[] = [
  ['words of a send request', layout.sendWord, () => constantsOf('verbs/work_layout.h', 'send_word')],
  ['words of a receive request', layout.receiveWord, () => constantsOf('verbs/work_layout.h', 'receive_word')],
  ['words of a scatter entry', layout.entryWord, () => constantsOf('verbs/work_layout.h', 'entry_word')],
  ['words of a completion', layout.completionWord, () => constantsOf('verbs/work_layout.h', 'completion_word')],
  [
    'lengths of requests and completions',
    numbersOf(layout),
    () => pick(constantsOf('verbs/work_layout.h'), Object.keys(numbersOf(layout))),
  ],
  ['words of a path', words.pathWord, () => constantsOf('verbs/attribute_words.cc', 'path_word')],
  ['words of attributes', words.attributeWord, () => constantsOf('verbs/attribute_words.cc', 'attribute_word')],
  [
    'words of a request for a queue pair',
    words.queuePairWord,
    () => constantsOf('addon/verbs_queue_binding.cc', 'queue_pair_word'),
  ],
  [
    'lengths of paths, attributes and requests',
    numbersOf(words),
    () => ({
      ...constantsOf('verbs/attribute_words.h'),
      ...pick(constantsOf('addon/verbs_queue_binding.cc'), ['queuePairWords']),
    }),
  ],
  ['refusal reasons', { none: 0, ...nativeReasons }, () => enumOf('verbs/refusal.h', 'Refusal')],
  ['page kinds', pageKind, () => enumOf('memory/page_size.h', 'PageKind')],
  ['backing kinds', backingKind, () => enumOf('memory/mapping.h', 'Backing')],
  ['NUMA policies', policyKind, () => enumOf('memory/placement.h', 'PlacementKind')],
  ['flags of a mapping', mappingFlag, () => constantsOf('addon/memory_binding.cc', 'mapping_flag')],
  ['states of a page', pageState, () => pick(constantsOf('translate/pagemap.h'), Object.keys(pageState))],
  [
    'windows',
    { windowSize, windowStep },
    () => pick(constantsOf('addon/memory_binding.cc'), ['windowSize', 'windowStep']),
  ],
  ['kinds of events', eventKind, () => enumOf('verbs/event_thread.h', 'EventKind')],
  ['words of keys', { keyWords }, () => pick(constantsOf('addon/verbs_arguments.h'), ['keyWords'])],
  [
    'the unknown type of a GID',
    { unknownGidType },
    () => pick(constantsOf('addon/verbs_device_binding.cc'), ['unknownGidType']),
  ],
]

/** The exports of a module that are numbers. */
function numbersOf(module: Readonly<Record<string, unknown>>): Numbers {
  return Object.fromEntries(
    Object.entries(module).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  )
}

describe('the native part and TypeScript use the same numbers:', () => {
  test.each(sameNumbers)('%s', (_, expected, native) => {
    expect(native()).toEqual(expected)
  })

  test('kinds of objects, in the order of closing', () => {
    // In the native part, an implicit registration is a Registration, and the device is the context itself.
    const kinds = closingOrder.filter((kind) => kind !== 'implicit registration' && kind !== 'device').map(camelCase)
    expect(Object.keys(enumOf('verbs/object.h', 'Kind'))).toEqual(kinds)
    expect(pick(constantsOf('verbs/object.h'), ['kinds'])).toEqual({ kinds: kinds.length })
  })

  test('no native reason for a misaligned atomic, since the driver checks this', () => {
    expect(Object.values(nativeReasons)).not.toContain(misalignedAtomic)
  })
})
