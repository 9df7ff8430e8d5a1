import type { DeviceCalls } from '../rdma/contract/device-calls.js'

/**
 * Replaces calls of one open device, until the returned function is called. A replacement may call what was there before:
 * `before` has those calls. Several replacements may lie above each other, and end in any order.
 */
export function replaceCalls(calls: DeviceCalls, replace: (before: DeviceCalls) => Partial<DeviceCalls>): () => void {
  const before = { ...calls }
  const undo: (() => void)[] = []
  let isOver = false
  for (const [name, replacement] of Object.entries(replace(before))) {
    const original = Reflect.get(before, name)
    // A replacement that was made later keeps this function, and calls it when this one is over.
    const call = (...given: readonly unknown[]): unknown =>
      Reflect.apply(isOver ? original : replacement, undefined, given)
    Reflect.set(calls, name, call)
    undo.push(() => {
      if (Reflect.get(calls, name) === call) Reflect.set(calls, name, original)
    })
  }
  return () => {
    isOver = true
    for (const put of undo) put()
  }
}
