/** The bytes of a null registration, read in parts. Bytes that are written there are dropped. */
export const nothing = new Uint8Array(64 * 1024)

/** For fewer bytes a loop is faster than making a view and calling the runtime. */
const fewBytes = 32
/** From this size on, a copy evicts so much from the cache that deferring it is cheaper. */
const muchBytes = 4096

/** Copies bytes that may overlap: views of the same memory are the same object here (registered-memory.ts). */
export function move(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (target === nothing) return
  if (length < fewBytes && (source !== target || to + length <= from || from + length <= to)) {
    for (let index = 0; index < length; index++) target[to + index] = source[from + index] ?? 0
  } else if (source === target) {
    target.copyWithin(to, from, from + length)
  } else {
    target.set(source.subarray(from, from + length), to)
  }
}

/** The most deferred copies that wait at the same time. */
const most = 64

/**
 * The copies of a batch, in their order. A large copy is deferred to the end of its batch, or to the next copy that is
 * not deferred. A large copy empties the processor's first cache, so all requests of a batch are read before the first
 * of them is copied.
 */
export class DeferredCopies {
  readonly #sources: Uint8Array[] = new Array<Uint8Array>(most).fill(nothing)
  readonly #targets: Uint8Array[] = new Array<Uint8Array>(most).fill(nothing)
  /** Three numbers for each copy: its start in the source, its start in the target, and its length. */
  readonly #numbers = new Float64Array(3 * most)
  #waiting = 0

  /** Makes a copy after those that wait; a large copy is deferred. The bytes must not be used before `makeAll`. */
  copy(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
    if (length < muchBytes) {
      this.makeAll()
      move(source, from, target, to, length)
    } else {
      this.#defer(source, from, target, to, length)
    }
  }

  /** Makes the copies that wait. Afterwards this object refers to no memory. */
  makeAll(): void {
    if (this.#waiting === 0) return
    const count = this.#waiting
    this.#waiting = 0
    const numbers = this.#numbers
    for (let index = 0; index < count; index++) {
      const source = this.#sources[index] ?? nothing
      const target = this.#targets[index] ?? nothing
      move(source, numbers[3 * index] ?? 0, target, numbers[3 * index + 1] ?? 0, numbers[3 * index + 2] ?? 0)
      this.#sources[index] = nothing
      this.#targets[index] = nothing
    }
  }

  #defer(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
    if (this.#waiting === most) this.makeAll()
    const waiting = this.#waiting
    this.#sources[waiting] = source
    this.#targets[waiting] = target
    this.#numbers[3 * waiting] = from
    this.#numbers[3 * waiting + 1] = to
    this.#numbers[3 * waiting + 2] = length
    this.#waiting = waiting + 1
  }
}
