import { expect } from 'vitest'
import type { ErrorCode } from '../../src/errors.js'

// Matchers for all tests. vitest.config.ts loads this file before each test file.

/** Further properties of the error by name, each as a value or an asymmetric matcher. */
type Details = Readonly<Record<string, unknown>>

expect.extend({
  /**
   * Passes if the function throws an error with this code, or, after `rejects`, if the promise rejects with one.
   * `details` are compared as in `expect.objectContaining`.
   */
  toThrowCode(received: unknown, code: string, details: Details = {}) {
    const caught = this.promise === 'rejects' ? { error: received } : caughtFrom(received)
    const pass = caught !== undefined && this.equals(caught.error, expect.objectContaining({ code, ...details }))
    return {
      pass,
      message: () => {
        if (pass) return `expected no error with the code ${code}, but there was one`
        if (!caught) return `expected an error with the code ${code}, but nothing was thrown`
        return `expected an error with the code ${code}, but another was thrown`
      },
      ...(caught ? { actual: shown(caught.error, details), expected: { code, ...details } } : {}),
    }
  },
})

function caughtFrom(received: unknown): { readonly error: unknown } | undefined {
  if (typeof received !== 'function') throw new TypeError(`toThrowCode needs a function, and received ${received}`)
  try {
    received()
  } catch (error) {
    return { error }
  }
  return undefined
}

/** The parts of an error that a failure message compares. */
function shown(error: unknown, details: Details): unknown {
  if (!(error instanceof Error)) return error
  const parts = ['code', 'message', ...Object.keys(details)]
  return Object.fromEntries(parts.map((name) => [name, Reflect.get(error, name)]))
}

declare module 'vitest' {
  interface Matchers<T> {
    toThrowCode(code: ErrorCode | (string & {}), details?: Details): T
  }
}
