// What `using` calls at the end of a block. When the block ends by an error and the disposal throws another, both come out
// in one SuppressedError: its `suppressed` is the block's, its `error` is the disposal's.

/** What disposals of ours have thrown in this thread. */
const refusals = new WeakSet<object>()
let isWatching = false

/**
 * Closes an object at the end of a block.
 *
 * Of an uncaught error Node prints the enumerable properties, and those of a native SuppressedError are not enumerable
 * (ECMA-262, "SuppressedError Objects"). So a program that ends by one would see neither error, only "An error was
 * suppressed during disposal". From the first disposal of ours on that throws, Node prints both. A program that catches the
 * error sees it unchanged.
 */
export function disposeBy(close: () => void): void {
  try {
    close()
  } catch (error) {
    if (error instanceof Error) refusals.add(error)
    if (!isWatching) process.on('uncaughtExceptionMonitor', showSuppressed)
    isWatching = true
    throw error
  }
}

/** Disposes all of them, in this order. What one throws keeps none of the others open: the first error is thrown at the end. */
export function disposeAll(things: Iterable<{ [Symbol.dispose](): void }>): void {
  const failures: unknown[] = []
  for (const thing of things) {
    try {
      thing[Symbol.dispose]()
    } catch (error) {
      failures.push(error) // thrown below
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** Disposals of one block that throw nest: each SuppressedError has the one before as its `suppressed`. */
function showSuppressed(uncaught: unknown): void {
  const nested: object[] = []
  let isOurs = false
  for (let error = uncaught; hidesErrors(error) && !nested.includes(error); error = error.suppressed) {
    nested.push(error)
    isOurs ||= error.error instanceof Error && refusals.has(error.error)
  }
  if (!isOurs) return
  for (const error of nested) {
    Object.defineProperties(error, { error: { enumerable: true }, suppressed: { enumerable: true } })
  }
}

/** Whether it is a SuppressedError as the runtime makes it. Those that a compiler makes for an older one hide nothing. */
function hidesErrors(error: unknown): error is { readonly error: unknown; readonly suppressed: unknown } {
  if (!(error instanceof Error) || error.name !== 'SuppressedError') return false
  const properties = [
    Object.getOwnPropertyDescriptor(error, 'error'),
    Object.getOwnPropertyDescriptor(error, 'suppressed'),
  ]
  return properties.every((of) => of !== undefined && 'value' in of && of.configurable === true)
}
