/** Names and numbers of an enumeration. A number without a name stands for itself: '42'. */
export interface Names<Name extends string> {
  readonly byName: Readonly<Record<Name, number>>
  readonly all: readonly Name[]
  nameOf(value: number): Name | `${number}`
}

export function names<Name extends string>(byName: Readonly<Record<Name, number>>): Names<Name> {
  const byNumber = new Map<number, Name>()
  const all: Name[] = []
  for (const name in byName) {
    all.push(name)
    byNumber.set(byName[name], name)
  }
  return { byName, all, nameOf: (value) => byNumber.get(value) ?? `${value}` }
}

/** The names of the bits that are set in `value`, lowest first. */
export function bitNames<Name extends string>({ byName, all }: Names<Name>, value: number | bigint): Name[] {
  return all.filter((name) => (BigInt(value) & BigInt(byName[name])) !== 0n)
}

/** The bits of several names, combined. */
export function bitsOf<Name extends string>({ byName }: Names<Name>, chosen: Iterable<Name>): number {
  let bits = 0
  for (const name of chosen) bits |= byName[name]
  return bits
}
