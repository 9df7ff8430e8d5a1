import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Place, translationOf } from '../support/translations.js'

const unknown = ['absent', 'swapped', 'hidden'] as const
const codes = { absent: 'ERR_PAGE_ABSENT', swapped: 'ERR_PAGE_SWAPPED', hidden: 'ERR_PFN_HIDDEN' } as const

/** Page sizes on both sides of 32-bit shifts, and pages that are scattered, neighbours, or unknown. */
const arbitraryTranslation = fc
  .record({
    shift: fc.integer({ min: 12, max: 31 }),
    highest: fc.constantFrom(64, 2 ** 20),
    places: fc.array(fc.oneof(fc.nat({ max: 1000 }), fc.constant('next' as const), fc.constantFrom(...unknown)), {
      minLength: 1,
      maxLength: 40,
    }),
  })
  .map(({ shift, highest, places }) => {
    const pageSize = 2 ** shift
    const frames = new Set<number>()
    const pages = places.map((place, page): Place => {
      if (place !== 'next' && typeof place !== 'number') return place
      let frame = place === 'next' ? Math.max(-1, ...frames) + 1 : (place * highest) % 2 ** 20
      while (frames.has(frame)) frame += 1 + page
      frames.add(frame)
      return frame * pageSize
    })
    return { pageSize, pages, translation: translationOf(pages, pageSize) }
  })

test('every byte of a known page maps to its address and back, and every other byte reports the reason', () => {
  fc.assert(
    fc.property(
      arbitraryTranslation,
      fc.array(fc.tuple(fc.nat(), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })), { minLength: 1 }),
      ({ pageSize, pages, translation }, samples) => {
        for (const [number, part] of samples) {
          const page = number % pages.length
          const within = Math.floor(part * pageSize)
          const offset = page * pageSize + within
          const place = pages[page]
          if (typeof place === 'number') {
            expect(translation.physicalAt(offset)).toBe(place + within)
            expect(translation.offsetOf(place + within)).toBe(offset)
          } else {
            const code = codes[place ?? 'absent']
            expect(() => translation.physicalAt(offset)).toThrowCode(code)
          }
        }
      },
    ),
  )
})

test('any value gives an address of the region, or a typed error', () => {
  fc.assert(
    fc.property(
      arbitraryTranslation,
      fc.oneof(fc.double(), fc.maxSafeInteger(), fc.integer(), fc.bigInt(), fc.string(), fc.constant(null)),
      ({ pageSize, pages, translation }, offset) => {
        const size = pages.length * pageSize
        const place = pages[Math.floor(Number(offset) / pageSize)]
        const valid = typeof offset === 'number' && Number.isInteger(offset) && offset >= 0 && offset < size
        const physicalAt = (value: unknown): unknown => Reflect.apply(translation.physicalAt, translation, [value])
        if (valid && typeof place === 'number') {
          expect(physicalAt(offset)).toBe(place + (offset % pageSize))
        } else {
          const code = valid ? expect.stringMatching(/^ERR_P/) : 'ERR_OUT_OF_RANGE'
          expect(() => physicalAt(offset)).toThrowCode(code)
        }
      },
    ),
    { numRuns: 1000 },
  )
})

test('runs of any range agree with physicalAt, byte by byte at their edges', () => {
  fc.assert(
    fc.property(
      arbitraryTranslation,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined }),
      ({ pageSize, pages, translation }, one, other, pieces) => {
        const size = pages.length * pageSize
        const begin = Math.floor(Math.min(one, other) * size)
        const end = Math.floor(Math.max(one, other) * size)
        const inside = pages.slice(Math.floor(begin / pageSize), Math.ceil(end / pageSize))
        const maxLength = pieces === undefined ? undefined : Math.ceil((pieces * pageSize) / 4)
        const read = () => translation.runs({ within: [begin, end - begin], maxLength })
        const missing = begin === end ? undefined : inside.find((place) => typeof place !== 'number')
        if (typeof missing === 'string') {
          expect(read).toThrowCode(codes[missing])
          return
        }
        let next = begin
        for (const { offset, physicalAddress, length } of read()) {
          expect(offset).toBe(next)
          expect(length).toBeLessThanOrEqual(maxLength ?? Number.POSITIVE_INFINITY)
          expect(translation.physicalAt(offset)).toBe(physicalAddress)
          expect(translation.physicalAt(offset + length - 1)).toBe(physicalAddress + length - 1)
          next += length
        }
        expect(next).toBe(end)
      },
    ),
  )
})
