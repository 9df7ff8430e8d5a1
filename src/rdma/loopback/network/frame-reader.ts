const lengthBytes = 4

/**
 * Cuts a stream of bytes into frames. A frame that lies in one chunk is not copied. The memory of this object is bounded
 * by the longest frame.
 */
export class FrameReader {
  readonly #least: number
  readonly #most: number
  readonly #take: (frame: Buffer) => boolean
  /** The start of a frame whose end has not come yet. */
  #partial: Buffer | undefined
  #filled = 0

  /**
   * @param least the bytes of the shortest frame, itself included
   * @param take receives each frame, which is valid only during the call; false when the frame is wrong
   */
  constructor(least: number, most: number, take: (frame: Buffer) => boolean) {
    this.#least = least
    this.#most = most
    this.#take = take
  }

  /** @returns false when the peer has sent something that is no frame, or a wrong one. Nothing is read after that. */
  feed(chunk: Buffer): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#filled === 0 && chunk.length - at >= lengthBytes) {
        const length = chunk.readUInt32LE(at)
        if (!this.#isPossible(length)) return false
        if (chunk.length - at >= length) {
          if (!this.#take(chunk.subarray(at, at + length))) return false
          at += length
          continue
        }
      }
      const used = this.#keep(chunk, at)
      if (used < 0) return false
      at += used
    }
    return true
  }

  /** Adds bytes to the frame that is not complete. @returns how many it took; -1 for a wrong frame */
  #keep(chunk: Buffer, at: number): number {
    this.#partial ??= Buffer.allocUnsafe(this.#most)
    const partial = this.#partial
    let used = 0
    if (this.#filled < lengthBytes) {
      used = this.#fill(chunk, at, lengthBytes)
      if (this.#filled < lengthBytes) return used
    }
    const length = partial.readUInt32LE(0)
    if (!this.#isPossible(length)) return -1
    used += this.#fill(chunk, at + used, length)
    if (this.#filled < length) return used
    this.#filled = 0
    return this.#take(partial.subarray(0, length)) ? used : -1
  }

  #fill(chunk: Buffer, at: number, until: number): number {
    const used = Math.min(until - this.#filled, chunk.length - at)
    chunk.copy(this.#partial ?? chunk, this.#filled, at, at + used)
    this.#filled += used
    return used
  }

  #isPossible(length: number): boolean {
    return length >= this.#least && length <= this.#most
  }
}
