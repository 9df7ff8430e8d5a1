import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { closingOrder } from '../../src/rdma/contract/closing-order.js'

// Numbers that stand in TypeScript and in C++. Both sides have the same names, so a number that changed and a name that is
// missing on one side both fail here.

function source(file: string): string {
  return readFileSync(fileURLToPath(new URL(`../../native/${file}`, import.meta.url)), 'utf8').replace(/\/\/.*$/gm, '')
}

/** The text between the braces that follow `head`. */
function bodyOf(file: string, head: string): string {
  const text = source(file)
  const start = text.indexOf(`${head} {`)
  if (start < 0) throw new Error(`native/${file} has no '${head}'`)
  return text.slice(text.indexOf('{', start) + 1, text.indexOf('}', start))
}

/** The members of `enum class <name>`, in their order: `MemoryWindow = 3` or `MemoryWindow`. */
function enumOf(file: string, name: string): Record<string, number> {
  const members: Record<string, number> = {}
  let next = 0
  for (const [, member = '', value] of bodyOf(file, `enum class ${name} : std::uint8_t`).matchAll(
    /(\w+)(?: = (\d+))?/g,
  )) {
    next = value === undefined ? next : Number(value)
    members[member.charAt(0).toLowerCase() + member.slice(1)] = next
    next += 1
  }
  return members
}

const camelCase = (words: string) => words.replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase())

describe('the native part has the numbers of TypeScript', () => {
  test('for the kinds of objects: it closes them in the same order', () => {
    // An implicit registration is a Registration there, and the device is the context itself.
    const kinds = closingOrder.filter((kind) => kind !== 'implicit registration' && kind !== 'device').map(camelCase)
    expect(Object.keys(enumOf('verbs/object.h', 'Kind'))).toEqual(kinds)
    expect(source('verbs/object.h')).toContain(`kKinds = ${kinds.length};`)
  })
})
