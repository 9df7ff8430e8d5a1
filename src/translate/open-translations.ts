import type { TranslatableRange } from './translatable-range.js'
import type { Translation } from './translation.js'

// The translations of a range that are still in use, so that they close with the range. The references are weak, since
// a program may translate the same region for days. A list is swept when its length has doubled, so the cost of a
// translation does not depend on how many there were.
interface OpenTranslations {
  translations: WeakRef<Translation>[]
  sweepAt: number
}

const open = new WeakMap<TranslatableRange, OpenTranslations>()

const smallestSweep = 8

/** Closes `translation` when `range` is closed, if the translation still exists then. */
export function closeWithRange(range: TranslatableRange, translation: Translation): void {
  const list = open.get(range) ?? listen(range)
  if (list === undefined) return
  if (list.translations.length >= list.sweepAt) {
    list.translations = list.translations.filter((reference) => reference.deref() !== undefined)
    list.sweepAt = Math.max(smallestSweep, list.translations.length * 2)
  }
  list.translations.push(new WeakRef(translation))
}

function listen(range: TranslatableRange): OpenTranslations | undefined {
  if (range.onClose === undefined) return undefined
  const list: OpenTranslations = { translations: [], sweepAt: smallestSweep }
  open.set(range, list)
  range.onClose(() => {
    // Translations leave the list one by one: on a stack overflow this function throws, and is then called again
    // (region-core.ts).
    for (let at = list.translations.length - 1; at >= 0; at--) {
      list.translations[at]?.deref()?.close()
      list.translations.length = at
    }
  })
  return list
}
