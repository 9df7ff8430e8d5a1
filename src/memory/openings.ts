/** Something that a thread has opened, and must close. */
export interface Opening {
  /** Its name in messages: "region 'rx'", 'queue pair 7'. */
  readonly label: string
  readonly closed: boolean
  /** Calls `listener` after it was closed. */
  onClose(listener: () => void): void
}

type Watcher = (opened: Opening) => void

/** Who is told of things that this thread opens; undefined while nobody watches, as in every program but a test. */
let watchers: Set<Watcher> | undefined

/** Whether somebody watches. */
export function isWatched(): boolean {
  return watchers !== undefined
}

/** Tells of a thing that was just opened. */
export function announce(opened: Opening): void {
  for (const watcher of watchers ?? []) watcher(opened)
}

/**
 * Watches what this thread opens from now on. The watcher must not throw. It gets a thing before its constructor has
 * ended: it may only listen to its close. The returned function ends the watch.
 */
export function watchOpenings(watcher: Watcher): () => void {
  watchers ??= new Set()
  watchers.add(watcher)
  return () => {
    watchers?.delete(watcher)
    if (watchers?.size === 0) watchers = undefined
  }
}
