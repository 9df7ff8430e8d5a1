/** A promise to keep a region open, made by `region.hold()`. */
export class Hold {
  /** The holder and its reason, for the error of a `close()` that is refused. */
  readonly reason: string
  readonly #release: () => void
  #released = false

  constructor(reason: string, release: () => void) {
    this.reason = reason
    this.#release = release
  }

  /** True after `release()`. */
  get released(): boolean {
    return this.#released
  }

  /** Ends the hold. A second call does nothing. */
  release(): void {
    if (this.#released) return
    this.#released = true
    this.#release()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}
