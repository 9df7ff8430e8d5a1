// Disposal at the end of a `using` block. If the block ends by an error and the disposal throws another one, JavaScript
// throws one SuppressedError for both: `suppressed` is the block's error, and `error` is the disposal's.

/** The errors that pinfold's own disposals have thrown in this thread. */
const refusals = new WeakSet<object>()
let isWatching = false

/**
 * Closes an object at the end of a block.
 *
 * Node prints the enumerable properties of an uncaught error. The two errors in a native SuppressedError are not
 * enumerable (ECMA-262, "SuppressedError Objects"). So Node would print neither, only "An error was suppressed during
 * disposal". After the first of pinfold's disposals that throws, Node prints both. A program that catches the error
 * sees it unchanged.
 */
export function disposeBy<Closed>(close: () => Closed): Closed {
  try {
    return close()
  } catch (error) {
    if (error instanceof Error) refusals.add(error)
    if (!isWatching) process.on('uncaughtExceptionMonitor', showSuppressed)
    isWatching = true
    throw error
  }
}

/**
 * Disposes all things, in this order. If one disposal throws, the others still run. The first error is thrown at the
 * end.
 */
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

/**
 * Makes both errors of a SuppressedError visible to Node. If several disposals of one block throw, each SuppressedError
 * contains the previous error as its `suppressed`.
 */
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

/**
 * True for a SuppressedError whose two errors can be made visible. Only the runtime's own class hides them; the class
 * that a compiler makes for an older runtime does not.
 */
function hidesErrors(error: unknown): error is { readonly error: unknown; readonly suppressed: unknown } {
  if (!(error instanceof Error) || error.name !== 'SuppressedError') return false
  const properties = [
    Object.getOwnPropertyDescriptor(error, 'error'),
    Object.getOwnPropertyDescriptor(error, 'suppressed'),
  ]
  return properties.every((of) => of !== undefined && 'value' in of && of.configurable === true)
}
