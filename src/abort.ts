// What is asked of a caller's AbortSignal. By functions taken at import, since its own properties, or a prototype that
// was patched later, may throw in the midst of an allocation.

const { apply } = Reflect
const { addEventListener, removeEventListener } = EventTarget.prototype
const abortedOf = getter('aborted')
const reasonOf = getter('reason')

function getter(name: 'aborted' | 'reason'): (this: AbortSignal) => unknown {
  const found = Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)?.get
  if (found === undefined) throw new TypeError(`this runtime's AbortSignal has no '${name}'`)
  return found
}

/** Whether it is an AbortSignal in earnest: what merely has its prototype throws when it is asked. */
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

/** Calls `listener` when the signal is aborted, unless what it returns was called before. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {}
  apply(addEventListener, signal, ['abort', listener, { once: true }])
  return () => apply(removeEventListener, signal, ['abort', listener])
}
