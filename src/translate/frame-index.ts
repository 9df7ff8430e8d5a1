/**
 * Finds the page of a physical address: an open-addressing hash of page frames with linear probing, at most half full.
 * It contains only page numbers, 4 bytes a slot; the addresses stay in the translation's own array. A lookup is many
 * times faster than a binary search over 512 scattered pages (docs/benchmarks.md measures it). No page costs much more
 * than another: a page that is far from its own slot takes the slot of a page that is nearer to its own (Robin Hood
 * hashing, Celis 1986).
 */
export class FrameIndex {
  readonly #displacements: Float64Array
  readonly #span: number
  readonly #first: number
  readonly #inverse: number
  readonly #slots: Int32Array
  readonly #mask: number
  readonly #shift: number

  /**
   * @param displacements each page's physical address minus its offset; those of unknown pages are below
   * `-span * length`
   * @param span bytes of a page, a power of two
   * @param first the number of the first page: its offset is `first * span`
   */
  constructor(displacements: Float64Array, span: number, first: number) {
    const bits = Math.ceil(Math.log2(Math.max(2, displacements.length * 2)))
    this.#displacements = displacements
    this.#span = span
    this.#first = first
    this.#inverse = 1 / span
    this.#slots = new Int32Array(2 ** bits).fill(-1)
    this.#mask = 2 ** bits - 1
    this.#shift = 32 - bits
    for (let page = 0; page < displacements.length; page++) this.#add(page)
  }

  #add(page: number): void {
    const address = this.#addressOf(page)
    if (!(address >= 0)) return
    let carried = page
    let distance = 0
    for (let slot = this.#slotOf(address); ; slot = (slot + 1) & this.#mask) {
      const resident = this.#slots[slot] ?? -1
      if (resident < 0) {
        this.#slots[slot] = carried
        return
      }
      const itsAddress = this.#addressOf(resident)
      if (itsAddress === address) return
      const itsDistance = (slot - this.#slotOf(itsAddress)) & this.#mask
      if (itsDistance < distance) {
        this.#slots[slot] = carried
        carried = resident
        distance = itsDistance
      }
      distance++
    }
  }

  #addressOf(page: number): number {
    return (this.#displacements[page] ?? Number.NaN) + (this.#first + page) * this.#span
  }

  /** Fibonacci hashing (Knuth, vol. 3, 6.4) of the low 32 bits of the frame's number. */
  #slotOf(address: number): number {
    return Math.imul((address * this.#inverse) >>> 0, 0x9e3779b1) >>> this.#shift
  }

  /** Offset of the byte at `address`: the lowest offset if several pages share the frame, -1 if no page is there. */
  offsetOf(address: number): number {
    for (let slot = this.#slotOf(address); ; slot = (slot + 1) & this.#mask) {
      const page = this.#slots[slot] ?? -1
      if (page < 0) return -1
      const offset = address - (this.#displacements[page] ?? Number.NaN)
      const within = offset - (this.#first + page) * this.#span
      if (within >= 0 && within < this.#span) return offset
    }
  }
}
