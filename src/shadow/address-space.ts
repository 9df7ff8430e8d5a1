interface Range {
  readonly from: number
  readonly to: number
}

/** The free ranges of this thread's WebAssembly memory. */
export class AddressSpace {
  /** The address of its byte 0 in this process. */
  readonly #base: number
  /** In the order of their addresses; no two touch. */
  #free: readonly Range[]

  constructor(base: number, size: number) {
    this.#base = base
    // Never byte 0, so that no address is 0.
    this.#free = [{ from: 1, to: size }]
  }

  /**
   * Takes the lowest free range of `bytes` bytes that starts at a multiple of `alignment` in the process. Returns where
   * it starts in the memory; undefined if there is none.
   */
  take(bytes: number, alignment: number): number | undefined {
    for (const { from, to } of this.#free) {
      const at = Math.ceil((this.#base + from) / alignment) * alignment - this.#base
      if (at + bytes > to) continue
      this.#free = this.#free.flatMap((range) =>
        range.from === from
          ? [
              { from, to: at },
              { from: at + bytes, to },
            ].filter(isFilled)
          : [range],
      )
      return at
    }
    return undefined
  }

  /** Gives a range back. */
  give(at: number, bytes: number): void {
    const ranges = [...this.#free, { from: at, to: at + bytes }].sort((one, other) => one.from - other.from)
    const joined: Range[] = []
    for (const range of ranges) {
      const last = joined.at(-1)
      if (last?.to === range.from) joined[joined.length - 1] = { from: last.from, to: range.to }
      else joined.push(range)
    }
    this.#free = joined
  }
}

function isFilled({ from, to }: Range): boolean {
  return to > from
}
