// Reads a caller's AbortSignal by functions that were taken at import. The signal's own properties, or a prototype that
// is patched later, may throw in the middle of an allocation.

const { apply } = Reflect
const { addEventListener, removeEventListener } = EventTarget.prototype
const abortedOf = getter('aborted')
const reasonOf = getter('reason')

function getter(name: 'aborted' | 'reason'): (this: AbortSignal) => unknown {
  const found = Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)?.get
  if (found === undefined) throw new TypeError(`this runtime's AbortSignal has no '${name}'`)
  return found
}

/** True for a real AbortSignal. An object that only has the prototype of one throws in the getter. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  try {
    return typeof apply(abortedOf, value, []) === 'boolean'
  } catch {
    return false
  }
}

export function isAborted(signal: AbortSignal | undefined): boolean {
  return signal !== undefined && apply(abortedOf, signal, []) === true
}

export function abortReason(signal: AbortSignal | undefined): unknown {
  return signal === undefined ? undefined : apply(reasonOf, signal, [])
}

/** @throws the signal's reason when it is aborted */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (isAborted(signal)) throw abortReason(signal)
}

/**
 * What waits for a signal. Each signal gets one listener of ours, since Node.js takes more than ten for a leak, and
 * says so in a warning.
 */
const waiting = new WeakMap<AbortSignal, Waiting>()

interface Waiting {
  readonly listeners: Set<() => void>
  readonly relay: () => void
}

/** Calls `listener`, which must not throw, when the signal is aborted. The returned function removes the listener. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {}
  const all = waiting.get(signal) ?? listen(signal)
  const own = () => listener() // a listener that is given twice is called twice
  all.listeners.add(own)
  return () => {
    if (!all.listeners.delete(own) || all.listeners.size > 0 || waiting.get(signal) !== all) return
    waiting.delete(signal)
    apply(removeEventListener, signal, ['abort', all.relay])
  }
}

function listen(signal: AbortSignal): Waiting {
  const listeners = new Set<() => void>()
  const relay = () => {
    if (!isAborted(signal)) return // an event that the program has made itself
    waiting.delete(signal)
    apply(removeEventListener, signal, ['abort', relay])
    for (const listener of listeners) listener()
  }
  apply(addEventListener, signal, ['abort', relay])
  const made = { listeners, relay }
  waiting.set(signal, made)
  return made
}
