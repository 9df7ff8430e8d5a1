import { PinfoldError } from '../../errors.js'
import type { MemoryRange } from '../../memory/region-memory.js'
import { native } from '../../native.js'
import { eventKind, keyWords } from '../../native-verbs.js'
import type { DeviceListener, RegisteredKeys } from '../contract/device-calls.js'
import { attempted } from './refusal.js'

/** The open devices of this thread, by the number of their context. Events carry this number. */
const open = new Map<number, OpenContext>()

/** An open device as native code knows it, with the listener of its events. */
export class OpenContext {
  readonly name: string
  readonly #number: number
  #isClosed = false
  #listener: DeviceListener | undefined
  /** Native code writes the handle and the keys of a registration here. They are read before the next call. */
  readonly keys = new Uint32Array(keyWords)

  /** Opens the device. @throws PinfoldError `ERR_DEVICE_UNKNOWN`, `ERR_DEVICE_PERMISSION`, … */
  constructor(name: string) {
    this.name = name
    this.#number = attempted(() => native.verbs.open(name, dispatch), { device: name })
    open.set(this.#number, this)
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED` */
  get number(): number {
    if (!this.#isClosed) return this.#number
    throw new PinfoldError(`device ${this.name} is closed`, {
      code: 'ERR_OBJECT_CLOSED',
      values: { object: `device ${this.name}` },
    })
  }

  listen(listener: DeviceListener): void {
    this.#listener = listener
  }

  told(kind: number, element: number, type: number): void {
    if (kind === eventKind.completion) this.#listener?.completion(element)
    else this.#listener?.event(type, element)
  }

  keepAlive(wanted: boolean): void {
    const { number } = this
    attempted(() => native.verbs.keepAlive(number, wanted))
  }

  close(): void {
    const { number } = this
    attempted(() => native.verbs.close(number))
    this.#isClosed = true
    open.delete(number)
  }

  /** The registration that native code has written into `keys`. */
  registered(keys: Uint32Array = this.keys): RegisteredKeys {
    const [handle = 0, lkey = 0, rkey = 0, low = 0, high = 0] = keys
    return { handle, lkey, rkey, address: (BigInt(high) << 32n) | BigInt(low) }
  }
}

/** A range of a region as native code takes it: the region's number, the offset, the length. */
export function rangeArguments({ core, offset, length }: MemoryRange): [number, number, number] {
  return [core.id, offset, length]
}

let tellConnections = () => {}

/** Sets the listener that fetches the events of connections (connections.ts). */
export function onConnectionEvents(listener: () => void): void {
  tellConnections = listener
}

function dispatch(context: number, kind: number, element: number, type: number): void {
  if (kind === eventKind.connection) {
    tellConnections()
    return
  }
  // A device that was closed meanwhile has no listener.
  open.get(context)?.told(kind, element, type)
}
