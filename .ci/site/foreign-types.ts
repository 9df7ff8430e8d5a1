/** A type of another package, and the public declaration that shows it. */
export interface ForeignType {
  readonly type: string
  readonly place: string
}

/** TypeScript's own types, and Node's, belong to the language of every reader. */
const own = new Set<unknown>(['pinfold', 'typescript', '@types/node'])

/** The types of other packages in typedoc's JSON of a project. */
export function foreignTypes(project: unknown): ForeignType[] {
  const found: ForeignType[] = []
  look(project, [])
  return found

  function look(value: unknown, path: readonly string[]): void {
    if (typeof value !== 'object' || value === null) return
    const { name, kind, type, package: from } = value as Readonly<Record<string, unknown>>
    if (type === 'reference' && from !== undefined && !own.has(from)) {
      found.push({ type: `'${name}' of ${from}`, place: path.join('.') })
    }
    const inside = typeof name === 'string' && kind !== undefined ? [...path, name] : path
    for (const part of Object.values(value)) look(part, inside)
  }
}
