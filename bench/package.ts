import type * as Package from '../src/index.js'

// The package as its users get it: by its own name, through its `exports`, compiled in dist/. TypeScript takes the types
// from the source, so that it need not be built to be checked; hence the name that it cannot read, and the cast.
const name: string = 'pinfold'
export const pinfold = (await import(name)) as typeof Package
