import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Translation } from '../../src/translate/translation.js'
import { displacementsOf, MiB2, rangeOf, translationOf } from '../support/translations.js'

const GiB = 2 ** 30

describe('physicalAt', () => {
  test('adds the offset within a page to the address of the page', () => {
    const translation = translationOf([7 * MiB2, 3 * MiB2, 5 * GiB])
    expect(translation.physicalAt(0)).toBe(7 * MiB2)
    expect(translation.physicalAt(-0)).toBe(7 * MiB2)
    expect(translation.physicalAt(MiB2 - 1)).toBe(8 * MiB2 - 1)
    expect(translation.physicalAt(MiB2)).toBe(3 * MiB2)
    expect(translation.physicalAt(2 * MiB2 + 4097)).toBe(5 * GiB + 4097)
  })

  test('is exact where physical addresses have 52 bits', () => {
    const top = 2 ** 52 - MiB2
    expect(translationOf([0, top]).physicalAt(2 * MiB2 - 1)).toBe(2 ** 52 - 1)
  })

  test('finds offsets beyond 4 GiB, on both sides of every page boundary', () => {
    const pages = Array.from({ length: 8 }, (_, page) => (20 - page) * GiB)
    const translation = translationOf(pages, GiB)
    for (const offset of [4 * GiB - 1, 4 * GiB, 4 * GiB + 1, 5 * GiB - 1, 5 * GiB, 8 * GiB - 1]) {
      const page = Math.floor(offset / GiB)
      expect(translation.physicalAt(offset)).toBe((20 - page) * GiB + (offset % GiB))
    }
    expect(() => translation.physicalAt(8 * GiB)).toThrowCode('ERR_OUT_OF_RANGE', {
      name: 'PinfoldError',
      values: expect.objectContaining({ offset: 8 * GiB }),
    })
    expect(() => translation.physicalAt(4 * GiB + 0.5)).toThrowCode('ERR_OUT_OF_RANGE', { name: 'PinfoldError' })
  })

  test('finds pages of 16 GiB, which take an element for each 2 GiB', () => {
    const pages = [64, 16].flatMap((start) => Array.from({ length: 8 }, (_, part) => (start + 2 * part) * GiB))
    const translation = translationOf(pages, 16 * GiB, 8)
    expect(translation.pageCount).toBe(2)
    expect(translation.physicalAt(3 * GiB + 5)).toBe(67 * GiB + 5)
    expect(translation.physicalAt(16 * GiB - 1)).toBe(80 * GiB - 1)
    expect(translation.physicalAt(16 * GiB)).toBe(16 * GiB)
    expect(translation.offsetOf(31 * GiB)).toBe(31 * GiB)
    expect(translation.runs()).toEqual([
      { offset: 0, physicalAddress: 64 * GiB, length: 16 * GiB },
      { offset: 16 * GiB, physicalAddress: 16 * GiB, length: 16 * GiB },
    ])
  })

  const wrong: [string, unknown][] = [
    ['negative', -1],
    ['a whole page below', -MiB2],
    ['far below', -(2 ** 53)],
    ['fractional', 0.5],
    ['fractional far up', 2 ** 40 + 0.5],
    ['barely above 0', Number.MIN_VALUE],
    ['NaN', Number.NaN],
    ['infinite', Number.POSITIVE_INFINITY],
    ['minus infinite', Number.NEGATIVE_INFINITY],
    ['the size', 3 * MiB2],
    ['past the end', 3 * MiB2 + 1],
    ['2^32', 2 ** 32],
    ['2^32 pages on', 2 ** 32 * MiB2],
    ['huge', Number.MAX_VALUE],
    ['a string', '0'],
    ['a bigint', 0n],
    ['null', null],
    ['undefined', undefined],
    ['an object that becomes a number', { valueOf: () => 0 }],
    ['a symbol', Symbol('0')],
  ]
  test.each(wrong)('refuses an offset that is %s', (_, offset) => {
    const translation = translationOf([MiB2, 2 * MiB2, 3 * MiB2])
    const physicalAt = (value: unknown): unknown => Reflect.apply(translation.physicalAt, translation, [value])
    expect(() => physicalAt(offset)).toThrowCode('ERR_OUT_OF_RANGE', {
      name: 'PinfoldError',
      values: expect.objectContaining({ offset, size: 3 * MiB2 }),
    })
    expect(translation.physicalAt(0)).toBe(MiB2)
  })

  test('reports for every byte of a page without an address the reason and the offset', () => {
    const translation = translationOf([MiB2, 'absent', 'swapped', 'hidden'])
    for (const within of [0, 1, MiB2 - 1]) {
      const at = (page: number) => () => translation.physicalAt(page * MiB2 + within)
      expect(at(1)).toThrowCode('ERR_PAGE_ABSENT', {
        name: 'PinfoldError',
        values: expect.objectContaining({ offset: MiB2 + within, region: 'rx' }),
      })
      expect(at(2)).toThrowCode('ERR_PAGE_SWAPPED', {
        name: 'PinfoldError',
        values: expect.objectContaining({ offset: 2 * MiB2 + within }),
      })
      expect(at(3)).toThrowCode('ERR_PFN_HIDDEN', {
        name: 'PinfoldError',
        values: expect.objectContaining({ offset: 3 * MiB2 + within }),
      })
    }
    expect(() => translation.physicalAt(3 * MiB2)).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/cap_sys_admin|SYS_ADMIN/) }),
    )
  })

  test('never returns an address for an unknown page, however large the offset', () => {
    const translation = translationOf(['absent', 'swapped', 'hidden', ...Array(2 ** 16).fill('absent')], GiB)
    expect(() => translation.physicalAt(2 ** 46 - 1)).toThrowCode('ERR_PAGE_ABSENT', { name: 'PinfoldError' })
    expect(translation.states).toEqual({ present: 0, absent: 2 ** 16 + 1, swapped: 1, hidden: 1 })
  })
})

describe('runs', () => {
  const translation = translationOf([8 * MiB2, 9 * MiB2, 3 * MiB2, 4 * MiB2, 'swapped', 10 * MiB2])

  test('are cut to a range, and keep its offsets', () => {
    expect(translation.runs({ within: [MiB2 + 4096, 2 * MiB2] })).toEqual([
      { offset: MiB2 + 4096, physicalAddress: 9 * MiB2 + 4096, length: MiB2 - 4096 },
      { offset: 2 * MiB2, physicalAddress: 3 * MiB2, length: MiB2 + 4096 },
    ])
    expect(translation.runs({ within: [4 * MiB2 + 5, 0] })).toEqual([])
  })

  test('are cut to a length', () => {
    expect(translation.runs({ within: [2 * MiB2, 2 * MiB2], maxLength: '1MiB' })).toHaveLength(4)
  })

  test('name the offset of an unknown page, and ignore an unknown page outside of the range', () => {
    expect(() => translation.runs()).toThrowCode('ERR_PAGE_SWAPPED', {
      name: 'PinfoldError',
      values: expect.objectContaining({ offset: 4 * MiB2 }),
    })
    expect(() => translation.runs({ within: [4 * MiB2 + 5, 1] })).toThrowCode('ERR_PAGE_SWAPPED', {
      name: 'PinfoldError',
    })
    expect(translation.runs({ within: [5 * MiB2, MiB2] })).toEqual([
      { offset: 5 * MiB2, physicalAddress: 10 * MiB2, length: MiB2 },
    ])
  })

  const wrong: [string, object, string][] = [
    ['a range past the end', { within: [5 * MiB2, MiB2 + 1] }, 'ERR_OUT_OF_RANGE'],
    ['a negative offset', { within: [-1, 1] }, 'ERR_OUT_OF_RANGE'],
    ['a fractional length', { within: [0, 1.5] }, 'ERR_OUT_OF_RANGE'],
    ['NaN', { within: [Number.NaN, 1] }, 'ERR_INVALID_ARGUMENT'],
    ['half a range', { within: [0] }, 'ERR_INVALID_ARGUMENT'],
    ['a length of 0', { maxLength: 0 }, 'ERR_INVALID_ARGUMENT'],
    ['an unknown unit', { maxLength: '4 pages' }, 'ERR_INVALID_ARGUMENT'],
    ['an unknown key', { maxLenght: 4096 }, 'ERR_INVALID_ARGUMENT'],
  ]
  test.each(wrong)('refuse %s', (_, options, code) => {
    expect(() => translation.runs(options)).toThrowCode(code, { name: 'PinfoldError' })
  })
})

describe('a translation', () => {
  test('is contiguous if it is one run, and is not if a page is unknown', () => {
    expect(translationOf([4 * MiB2, 5 * MiB2, 6 * MiB2]).contiguous).toBe(true)
    expect(translationOf([4 * MiB2, 5 * MiB2, 7 * MiB2]).contiguous).toBe(false)
    expect(translationOf([6 * MiB2, 5 * MiB2]).contiguous).toBe(false)
    expect(translationOf([4 * MiB2, 'absent']).contiguous).toBe(false)
    expect(translationOf(['absent', 'absent']).contiguous).toBe(false)
  })

  test('counts its pages by state', () => {
    const { states } = translationOf([MiB2, 'absent', 'swapped', 2 * MiB2, 'absent', 'hidden'])
    expect(states).toEqual({ present: 2, absent: 2, swapped: 1, hidden: 1 })
  })

  test('can be written as a table of device pages', () => {
    const table = translationOf([8 * MiB2, 3 * MiB2]).pageTable('1MiB')
    expect([...table.addresses]).toEqual([8 * MiB2, 8 * MiB2 + MiB2 / 2, 3 * MiB2, 3 * MiB2 + MiB2 / 2])
    expect(() => translationOf([8 * MiB2, 3 * MiB2]).pageTable('4MiB')).toThrowCode('ERR_LAYOUT_IMPOSSIBLE', {
      name: 'PinfoldError',
    })
  })

  test('keeps 8 bytes for each page, in the array that it was given', () => {
    const pages = displacementsOf([MiB2, 3 * MiB2])
    const translation = new Translation(rangeOf(2 * MiB2, MiB2), pages)
    expect(Object.values(translation).filter(ArrayBuffer.isView)).toEqual([pages])
  })

  test('is inspected as one line, with the number of unknown pages', () => {
    expect(inspect(translationOf([MiB2, 'absent']))).toBe("Translation of 'rx' { 2 pages of 2MiB, 1 absent }")
    expect(inspect(translationOf([MiB2]))).toBe("Translation of 'rx' { 1 page of 2MiB }")
  })

  test('of a part of a region knows the addresses of that part, by the offsets of the region', () => {
    const [low, high] = [9 * MiB2, 4 * MiB2]
    const pages = displacementsOf(['absent', 'absent', low, 'hidden', high]).subarray(2)
    const part = new Translation(rangeOf(8 * MiB2, MiB2), pages, 2)
    expect(part).toMatchObject({ offset: 2 * MiB2, size: 3 * MiB2, pageCount: 3 })
    expect([part.physicalAt(2 * MiB2), part.physicalAt(5 * MiB2 - 1)]).toEqual([low, high + MiB2 - 1])
    expect([part.offsetOf(low + 5), part.offsetOf(high)]).toEqual([2 * MiB2 + 5, 4 * MiB2])
    expect(part.runs({ within: [4 * MiB2 + 7, 8] })).toEqual([
      { offset: 4 * MiB2 + 7, physicalAddress: high + 7, length: 8 },
    ])
    expect(part.states).toEqual({ present: 2, hidden: 1, absent: 0, swapped: 0 })
    for (const offset of [0, 2 * MiB2 - 1, 5 * MiB2, 8 * MiB2]) {
      expect(() => part.physicalAt(offset)).toThrowCode('ERR_OUT_OF_RANGE', {
        values: expect.objectContaining({ offset }),
      })
      expect(() => part.runs({ within: [offset, 1] })).toThrowCode('ERR_OUT_OF_RANGE')
    }
    expect(() => part.physicalAt(3 * MiB2)).toThrowCode('ERR_PFN_HIDDEN')
    expect(() => part.runs()).toThrowCode('ERR_PFN_HIDDEN')
    const first = new Translation(rangeOf(8 * MiB2, MiB2), displacementsOf([low]), 0)
    expect(() => first.physicalAt(MiB2)).toThrowCode('ERR_OUT_OF_RANGE')
  })

  test('gives no addresses after its region was closed', () => {
    const range = rangeOf(2 * MiB2, MiB2)
    const translations = Array.from({ length: 20 }, () => new Translation(range, displacementsOf([MiB2, 3 * MiB2])))
    for (const translation of translations) expect(translation.offsetOf(3 * MiB2)).toBe(MiB2)
    range.close()
    for (const translation of translations) {
      const calls = [
        () => translation.physicalAt(0),
        () => translation.physicalAt(-1),
        () => translation.offsetOf(3 * MiB2),
        () => translation.contains(3 * MiB2),
        () => translation.runs(),
        () => translation.contiguous,
        () => translation.states,
        () => translation.pageTable(4096),
        () => translation.pageFlags,
        () => translation.verify(),
      ]
      for (const call of calls)
        expect(call).toThrowCode('ERR_REGION_CLOSED', {
          name: 'PinfoldError',
          values: expect.objectContaining({ name: 'rx' }),
        })
      expect(inspect(translation)).toContain('closed')
    }
  })
})

describe('offsetOf', () => {
  const translation = translationOf([9 * MiB2, 'swapped', 2 * MiB2, 8 * MiB2])

  test('finds the first and the last byte of every page', () => {
    for (const [page, start] of [
      [0, 9],
      [2, 2],
      [3, 8],
    ] as const) {
      expect(translation.offsetOf(start * MiB2)).toBe(page * MiB2)
      expect(translation.offsetOf((start + 1) * MiB2 - 1)).toBe((page + 1) * MiB2 - 1)
    }
  })

  test.each([0, MiB2, 2 * MiB2 - 1, 3 * MiB2, 10 * MiB2, 2 ** 52, 9 * MiB2 + 0.5, -1, Number.NaN, -(9 * MiB2)])(
    'refuses %d, which lies in no page of the region',
    (address) => {
      expect(() => translation.offsetOf(address)).toThrowCode('ERR_OUT_OF_RANGE', {
        name: 'PinfoldError',
        values: expect.objectContaining({ physicalAddress: address }),
      })
      expect(translation.contains(address)).toBe(false)
    },
  )

  test('distinguishes frames that differ only above 32 bits', () => {
    const far = translationOf([4096, 4096 + 2 ** 44, 4096 + 2 ** 45], 4096)
    expect(far.offsetOf(4096 + 2 ** 45 + 7)).toBe(2 * 4096 + 7)
    expect(far.contains(4096 + 2 ** 46)).toBe(false)
  })

  test('gives the lower offset if two pages share a frame', () => {
    expect(translationOf([5 * MiB2, 4 * MiB2, 4 * MiB2]).offsetOf(4 * MiB2 + 3)).toBe(MiB2 + 3)
  })

  test('reports that it cannot know an address while a page is hidden', () => {
    const hidden = translationOf(['hidden', 2 * MiB2])
    expect(hidden.offsetOf(2 * MiB2)).toBe(MiB2)
    expect(() => hidden.offsetOf(3 * MiB2)).toThrowCode('ERR_PFN_HIDDEN', { name: 'PinfoldError' })
    expect(() => hidden.contains(3 * MiB2)).toThrowCode('ERR_PFN_HIDDEN', { name: 'PinfoldError' })
  })
})
