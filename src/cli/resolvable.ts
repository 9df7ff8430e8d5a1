import type { Resolvable } from 'citty'

/** The value of what citty takes as a value, a promise of it, or a function that makes either. */
export async function resolve<T>(value: Resolvable<T> | undefined): Promise<T | undefined> {
  // A command tree holds no functions as values: a function is always citty's lazy form.
  return typeof value === 'function' ? await (value as () => T | Promise<T>)() : await value
}
