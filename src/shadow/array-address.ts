import { requireUint32Array } from '../arrays/number-array.js'
import { addressOf } from './shadow.js'

const typedArray: object = Reflect.getPrototypeOf(Uint32Array.prototype) ?? {}

/**
 * The address of an array's first value in this thread's WebAssembly memory; 0 if it does not lie there, or if the array
 * is not a plain one, whose `length` may be anything.
 */
function addressOfArray(values: Uint32Array): number {
  if (Reflect.getPrototypeOf(values) !== Uint32Array.prototype || Object.hasOwn(values, 'length')) return 0
  const length: number = Reflect.get(typedArray, 'length', values)
  return addressOf(values.buffer, values.byteOffset, length * 4)
}

/** An array that no program has. It stands for the last array if there is none. */
export const noArray: Uint32Array = new Uint32Array(0)

/** The addresses of the last two arrays that were used, so that a program may use two in turn. */
export class ArrayAddresses {
  // Not # fields, which V8 checks at each access.
  private values = noArray
  private address = 0
  private otherValues = noArray
  private otherAddress = 0

  /**
   * The address of an array's first value; 0 if WebAssembly cannot use the array.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` if `values` is not a Uint32Array
   */
  of(subject: string, values: Uint32Array): number {
    if (values === this.values) return this.address
    if (values === this.otherValues) return this.otherAddress
    requireUint32Array(subject, values)
    this.otherValues = this.values
    this.otherAddress = this.address
    this.values = values
    this.address = addressOfArray(values)
    return this.address
  }

  forget(): void {
    this.values = noArray
    this.otherValues = noArray
  }
}
