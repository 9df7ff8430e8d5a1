import type { Resolvable } from 'citty'

/** The value of something that citty accepts as a value, as a promise, or as a function that returns either. */
export async function resolve<T>(value: Resolvable<T> | undefined): Promise<T | undefined> {
  // A command tree contains no functions as values, so a function is always citty's lazy form.
  return typeof value === 'function' ? await (value as () => T | Promise<T>)() : await value
}
