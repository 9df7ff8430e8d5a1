import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

/** All codes of the type ErrorCode. The type does not exist at run time, so the codes are read from its text. */
const codes = [...readFileSync('src/errors.ts', 'utf8').matchAll(/^ {2}\| '(ERR_\w+)'/gm)].map(([, code]) => code)

const page = readFileSync('docs/errors.md', 'utf8')
const sections = [...page.matchAll(/^## (ERR_\w+)\n(.*?)(?=^## )/gms)].map(([, code, text]) => ({ code, text }))

describe('the page of errors', () => {
  test('contains a section for each code, in alphabetical order, and no other section', () => {
    expect(codes.length).toBeGreaterThan(60)
    expect(sections.map(({ code }) => code)).toEqual(codes.toSorted())
  })

  test.each(sections)('says of $code when it is thrown and what to do', ({ text }) => {
    expect(text).toMatch(/^- \*\*When:\*\* \S/m)
    expect(text).toMatch(/^- \*\*What to do:\*\* \S/m)
  })

  test('lists each code once in its contents', () => {
    const listed = [...page.matchAll(/\[(ERR_\w+)\]\(#(\w+)\)[,\n]/g)]
    for (const [, code, anchor] of listed) expect(anchor).toBe(code?.toLowerCase())
    const contents = listed.map(([, code]) => code)
    expect(contents.toSorted()).toEqual(codes.toSorted())
  })
})
