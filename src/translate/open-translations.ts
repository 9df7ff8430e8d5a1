import type { TranslatableRange } from './translatable-range.js'
import type { Translation } from './translation.js'

// Which translations of a range somebody still has, so that they close with it. They are held weakly: a program may
// translate the same region for days. A list is swept when it has doubled, so that a translation costs the same
// however many there were.
interface OpenTranslations {
  translations: WeakRef<Translation>[]
  sweepAt: number
}

const open = new WeakMap<TranslatableRange, OpenTranslations>()

const smallestSweep = 8

/** Closes `translation` when `range` is closed, if it is still there then. */
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
    // Taken off one by one: with the stack used up this throws, and is called again (region-core.ts).
    for (let at = list.translations.length - 1; at >= 0; at--) {
      list.translations[at]?.deref()?.close()
      list.translations.length = at
    }
  })
  return list
}
