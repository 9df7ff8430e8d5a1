import type { Handle } from '../contract/device-calls.js'
import { refusal } from './refusal.js'

const placeBits = 20
const places = 2 ** placeBits
const generations = 2 ** 12

/**
 * Objects by handle: the low 20 bits are a place, the high 12 the generation of that place. A place whose generations
 * are used up is not used again, so no handle ever names two objects.
 */
export class HandleTable<Value> {
  readonly #what: string
  readonly #values: (Value | undefined)[] = []
  readonly #generations: number[] = []
  readonly #free: number[] = []
  #size = 0
  /** The handle of the last look-up, since most requests of a batch name the same objects. 0 is no handle. */
  #lastHandle: Handle = 0
  #last: Value | undefined

  constructor(what: string) {
    this.#what = what
  }

  get size(): number {
    return this.#size
  }

  add(value: Value): Handle {
    const place = this.#free.pop() ?? this.#values.length
    if (place === places) throw refusal('loopback', `all ${places} handles of ${this.#what}s are in use or used up`)
    const generation = (this.#generations[place] ?? 0) + 1
    this.#generations[place] = generation
    this.#values[place] = value
    this.#size += 1
    return generation * places + place
  }

  find(handle: Handle): Value | undefined {
    if (handle === this.#lastHandle) return this.#last
    const place = handle & (places - 1)
    if (this.#generations[place] !== handle >>> placeBits) return undefined
    const found = this.#values[place]
    if (found === undefined) return undefined
    this.#lastHandle = handle
    this.#last = found
    return found
  }

  /** @throws PinfoldError `ERR_DEVICE_REFUSED` when no open object has this handle */
  get(verb: string, handle: Handle): Value {
    const found = this.find(handle)
    if (found !== undefined) return found
    throw refusal(verb, `no open ${this.#what} has that handle`, { handle })
  }

  remove(verb: string, handle: Handle): Value {
    const value = this.get(verb, handle)
    this.#lastHandle = 0
    this.#last = undefined
    const place = handle & (places - 1)
    this.#values[place] = undefined
    this.#size -= 1
    if ((this.#generations[place] ?? 0) < generations - 1) this.#free.push(place)
    return value
  }

  *[Symbol.iterator](): Generator<Value> {
    for (const value of this.#values) if (value !== undefined) yield value
  }
}
