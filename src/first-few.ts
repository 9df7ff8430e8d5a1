/** How many things an error or a listing names. */
const most = 8

/** The first few of many things, for a message: it names these, and counts the others. */
export class FirstFew {
  /** At most eight. */
  readonly names: readonly string[]
  /** How many there are in all. */
  readonly count: number

  /** @param all is read only as far as the names go */
  constructor(all: Iterable<string>, count: number) {
    const names: string[] = []
    for (const name of all) {
      names.push(name)
      if (names.length === most) break
    }
    this.names = names
    this.count = count
  }

  /** 'a, b, c and 5 more' */
  toString(): string {
    const more = this.count - this.names.length
    return `${this.names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  }
}
