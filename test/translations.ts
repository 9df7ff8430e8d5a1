import { pageState } from '../src/native.js'
import { Translation } from '../src/translate/translation.js'

export const MiB2 = 2 ** 21

/** What a page of a hand-made translation is: a physical address, or why there is none. */
export type Place = number | keyof typeof pageState

export function placesOf(places: readonly Place[]): Float64Array {
  return Float64Array.from(places, (place) => (typeof place === 'number' ? place : pageState[place]))
}

/** A translation of pages that lie where the test says. Its memory is nowhere, so it cannot be verified. */
export function translationOf(places: readonly Place[], pageSize = MiB2, spansPerPage = 1): Translation {
  return new Translation(rangeOf((places.length / spansPerPage) * pageSize, pageSize), placesOf(places))
}

export function rangeOf(size: number, pageSize: number) {
  const listeners: (() => void)[] = []
  return {
    name: 'rx',
    address: 0n,
    size,
    pageSize,
    closed: false,
    onClose: (listener: () => void) => listeners.push(listener),
    close: () => {
      for (const listener of listeners) listener()
    },
  }
}
