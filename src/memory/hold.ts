/** A promise to keep a region open, made by `region.hold()`. */
export class Hold {
  /** Who holds and why, as the refused `close()` names it. */
  readonly reason: string
  readonly #release: () => void
  #released = false

  constructor(reason: string, release: () => void) {
    this.reason = reason
    this.#release = release
  }

  /** Whether it was let go. */
  get released(): boolean {
    return this.#released
  }

  /** Lets go; once only. */
  release(): void {
    if (this.#released) return
    this.#released = true
    this.#release()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}
