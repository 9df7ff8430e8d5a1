/** A TypeScript example of a guide. */
export interface Example {
  readonly line: number
  readonly code: string
}

/** The examples of a guide, in their order. */
export function examplesOf(text: string): Example[] {
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    code: match[1] ?? '',
  }))
}
