import { pageState } from '../../src/native.js'
import { Translation } from '../../src/translate/translation.js'

export const MiB2 = 2 ** 21

/** A page of a hand-made translation: its physical address, or the state that hides it. */
export type Place = number | keyof typeof pageState

/** The displacements of pages, as native code reports them (src/translate/displacements.ts). */
export function displacementsOf(places: readonly Place[], span = MiB2): Float64Array {
  return Float64Array.from(places, (place, page) =>
    typeof place === 'number' ? place - page * span : pageState[place],
  )
}

/** A translation of pages at the places that the test gives. It has no memory, so it cannot be verified. */
export function translationOf(places: readonly Place[], pageSize = MiB2, spansPerPage = 1): Translation {
  const range = rangeOf((places.length / spansPerPage) * pageSize, pageSize)
  return new Translation(range, displacementsOf(places, pageSize / spansPerPage))
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
