import type * as Package from '../src/index.js'

// The package as its users get it: by its own name, through its `exports`, compiled in dist/. TypeScript takes the
// types from the source, so that the package need not be built before a type check. So the name is a variable, which
// TypeScript does not resolve, and the result is cast.
const name: string = 'pinfold'
export const pinfold = (await import(name)) as typeof Package
