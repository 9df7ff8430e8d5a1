/**
 * The clock of bad weather: it counts turns of the event loop, and stands still while nothing waits. So a delay depends
 * on no timer, and the same program gets the same order each time.
 */
export class Turns {
  #now = 0
  readonly #waiting: { readonly due: number; readonly call: () => void }[] = []
  #immediate: NodeJS.Immediate | undefined

  get now(): number {
    return this.#now
  }

  /** Calls `call`, which must not throw, `turns` turns from now. Calls of one turn come in the order of `after`. */
  after(turns: number, call: () => void): void {
    this.#waiting.push({ due: this.#now + Math.max(1, turns), call })
    this.#immediate ??= setImmediate(() => this.#turn())
  }

  /** Makes all calls that wait, at once, in the order in which they are due. */
  end(): void {
    clearImmediate(this.#immediate)
    this.#immediate = undefined
    const due = this.#waiting.splice(0).sort((one, other) => one.due - other.due)
    for (const { call } of due) call()
  }

  #turn(): void {
    this.#immediate = undefined
    this.#now += 1
    const due = this.#waiting.filter((one) => one.due <= this.#now)
    const later = this.#waiting.filter((one) => one.due > this.#now)
    this.#waiting.splice(0, this.#waiting.length, ...later)
    if (later.length > 0) this.#immediate = setImmediate(() => this.#turn())
    for (const { call } of due) call()
  }
}
