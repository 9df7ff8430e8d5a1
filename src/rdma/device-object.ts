import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { disposeBy } from '../disposal.js'
import { PinfoldError } from '../errors.js'
import { FirstFew } from '../first-few.js'
import { announce, isWatched } from '../memory/openings.js'
import { checked, later, optionsObject } from '../options.js'
import type { CompletionQueue } from './completion-queue.js'
import type { EndsWithDevice } from './connections/connection-end.js'
import { closingOrder, type ObjectKind } from './contract/closing-order.js'
import type { DeviceCalls, Handle } from './contract/device-calls.js'
import type { MemoryWindow } from './memory-window.js'
import type { QueuePair } from './queue-pair.js'
import type { SharedReceiveQueue } from './shared-receive-queue.js'

const closeOptions = later(() => optionsObject({ force: z.optional(z.boolean()) }))

/** `force`: `close()` also closes the objects that stand on this one. By default it refuses while there are any. */
export interface CloseOptions {
  readonly force?: boolean | undefined
}

const none: ReadonlySet<never> = new Set()

let created = 0

/** The state that the objects of one device share. Programs cannot reach it. */
export interface DeviceInternals {
  readonly calls: DeviceCalls
  /** By handle, for the events of the device. */
  readonly queues: Map<Handle, CompletionQueue>
  readonly queuePairs: Map<Handle, QueuePair>
  readonly sharedReceiveQueues: Map<Handle, SharedReceiveQueue>
  /** Bound windows of type 2, by key: a completion may report that a peer has closed one. */
  readonly boundWindows: Map<number, MemoryWindow>
  /** Connections, listeners and requests that are open. */
  readonly connections: Set<EndsWithDevice>
}

// The modules of this library reach the private state of an object through these functions.

/** The handle of an object at its device. */
export let handleOf: (object: DeviceObject) => Handle
/** The calls of an object's device. */
export let callsOf: (object: DeviceObject) => DeviceCalls
/** The state that an object shares with the other objects of its device. */
export let internalsOf: (object: DeviceObject) => DeviceInternals
/** The kind of an object that this library made; undefined for every other value, a Proxy of such an object included. */
export let kindOf: (value: unknown) => ObjectKind | undefined

/**
 * An object of a device. It belongs to one thread. It stands on its parents: a parent refuses to close before its children,
 * or closes them, too (`force`). Closing an object again does nothing.
 *
 * A parent keeps its children alive: an object that the program has dropped is closed with the device, or with the thread.
 */
export abstract class DeviceObject {
  /** Its number in this thread, in messages and listings. No other object gets the same number. */
  readonly number: number = ++created
  /** Its handle at the device. It is private: with the handle of another object a program would act on that object. */
  readonly #handle: Handle
  readonly #kind: ObjectKind
  readonly #shared: DeviceInternals
  #parents: readonly DeviceObject[]
  // Both sets are created on first use: most objects never need them.
  #children: Set<DeviceObject> | undefined
  /** Calls that are under way on it. */
  #underWay: Set<{ readonly label: string }> | undefined
  #onClose: Set<{ readonly listener: () => void }> | undefined
  #closed = false

  static {
    handleOf = (object) => object.#handle
    callsOf = (object) => object.#shared.calls
    internalsOf = (object) => object.#shared
    kindOf = (value) => (typeof value === 'object' && value !== null && #kind in value ? value.#kind : undefined)
  }

  /** @param shared the state of the device; by default that of the first parent */
  protected constructor(
    objectKind: ObjectKind,
    handle: Handle,
    parents: readonly [DeviceObject, ...DeviceObject[]] | readonly [],
    shared?: DeviceInternals,
  ) {
    const [first] = parents
    const internals = shared ?? (first === undefined ? undefined : first.#shared)
    if (internals === undefined) throw new TypeError(`a ${objectKind} without a device`)
    this.#kind = objectKind
    this.#handle = handle
    this.#shared = internals
    this.#parents = parents
    for (const parent of parents) parent.#adopt(this)
    if (isWatched()) announce(this)
  }

  /** Destroys it at the device. If this throws, the object stays open. */
  protected abstract destroy(): void

  get objectKind(): ObjectKind {
    return this.#kind
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The objects that stand on it, in closing order. */
  get children(): DeviceObject[] {
    return inClosingOrder(this.#children ?? none)
  }

  /** Its name in listings and messages: 'queue pair 7'. */
  get label(): string {
    return `${this.objectKind} ${this.number}`
  }

  /**
   * Destroys it. A second call does nothing.
   *
   * @param options `force` closes the objects that stand on it before, in closing order
   * @throws PinfoldError `ERR_OBJECT_BUSY` that lists the objects on it (nothing is changed then); errors of the device
   */
  close(options?: CloseOptions): void {
    const force = options !== undefined && checked('close', closeOptions, options).force === true
    if (this.#closed) return
    this.#requireIdle()
    if (!force && this.#hasChildren) this.#refuseChildren()
    // Most objects have no children; sorting an empty set took a fifth of the time of a registration.
    if (force && (this.#hasChildren || this.boundObjects.size > 0)) {
      // All below it in one order: a queue's queue pairs must wait for the windows of their domain.
      for (const object of inClosingOrder(new Set(this.#descendants()))) object.close()
    }
    this.destroy()
    this.leaveParents()
    const listeners = this.#onClose ?? none
    this.#onClose = undefined
    for (const { listener } of listeners) listener()
  }

  /** Closes it and the objects that stand on it, since its block has ended. @throws PinfoldError as `close` */
  [Symbol.dispose](): void {
    disposeBy(() => this.close({ force: true }))
  }

  /** Objects that a forced close closes in addition to its children: windows that are bound to it. */
  protected get boundObjects(): ReadonlySet<DeviceObject> {
    return none
  }

  /** Marks it as closed, and leaves its parents. A constructor that fails half-way calls this, too. */
  protected leaveParents(): void {
    this.#closed = true
    for (const parent of this.#parents) parent.#children?.delete(this)
  }

  /** Replaces its parent `from` by `to`. */
  protected exchangeParent(from: DeviceObject, to: DeviceObject): void {
    if (!this.#parents.includes(from)) return
    from.#children?.delete(this)
    this.#parents = this.#parents.map((parent) => (parent === from ? to : parent))
    to.#adopt(this)
  }

  /** @internal A call is under way on it: it cannot be closed until the returned function is called. */
  underWay(label: string): () => void {
    const call = { label }
    this.#underWay ??= new Set()
    this.#underWay.add(call)
    return () => this.#underWay?.delete(call)
  }

  /** @internal Calls `listener` after it was closed, unless the returned function is called before. */
  onClose(listener: () => void): () => void {
    const entry = { listener }
    this.#onClose ??= new Set()
    this.#onClose.add(entry)
    return () => this.#onClose?.delete(entry)
  }

  /** @internal @throws PinfoldError `ERR_OBJECT_CLOSED` */
  requireOpen(subject: string): void {
    if (this.#closed) throw closedObject(subject, this.label)
  }

  [inspect.custom](): string {
    return `${this.label}${this.#closed ? ' (closed)' : ''}`
  }

  get #hasChildren(): boolean {
    return this.#children !== undefined && this.#children.size > 0
  }

  #adopt(child: DeviceObject): void {
    this.#children ??= new Set()
    this.#children.add(child)
  }

  #refuseChildren(): never {
    const children = this.#children ?? none
    const few = new FirstFew(labelsOf(inClosingOrder(children)), children.size)
    throw new PinfoldError(`close: ${this.label} is used by ${few}`, {
      code: 'ERR_OBJECT_BUSY',
      values: { object: this.label, children: few.names, count: few.count },
      hint: 'close them first, or call close({ force: true })',
    })
  }

  /** A call that is under way has no object yet, so a forced close cannot close it. */
  #requireIdle(): void {
    if (!this.#hasChildren && this.#underWay === undefined) return
    for (const object of [this, ...this.#descendants()]) {
      for (const { label } of object.#underWay ?? none) {
        throw new PinfoldError(`close: ${object.label} is used by ${label}`, {
          code: 'ERR_OBJECT_BUSY',
          values: { object: object.label, underWay: label },
          hint: 'wait for it first',
        })
      }
    }
  }

  *#descendants(): Generator<DeviceObject> {
    for (const objects of [this.#children ?? none, this.boundObjects]) {
      for (const object of objects) {
        yield object
        yield* object.#descendants()
      }
    }
  }
}

/** The error of a call for an object that is closed. */
export function closedObject(subject: string, label: string): PinfoldError {
  return new PinfoldError(`${subject}: ${label} is closed`, { code: 'ERR_OBJECT_CLOSED', values: { object: label } })
}

/** By kind, and of one kind the newest first. */
function inClosingOrder(objects: ReadonlySet<DeviceObject>): DeviceObject[] {
  const byKind = new Map<ObjectKind, DeviceObject[]>(closingOrder.map((kind) => [kind, []]))
  for (const object of objects) byKind.get(object.objectKind)?.push(object)
  // Nearly all are in the order of their numbers already, so that the sort takes one pass.
  return [...byKind.values()].flatMap((those) => those.sort((one, other) => one.number - other.number).reverse())
}

function* labelsOf(objects: Iterable<DeviceObject>): Generator<string> {
  for (const { label } of objects) yield label
}

/**
 * Checks that objects that will work together are open and belong to the same device.
 *
 * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_DOMAIN_MISMATCH`
 */
export function requireSameDevice(
  subject: string,
  device: DeviceObject,
  objects: readonly (DeviceObject & { readonly device: DeviceObject })[],
): void {
  device.requireOpen(subject)
  for (const object of objects) {
    object.requireOpen(subject)
    if (object.device === device) continue
    throw new PinfoldError(`${subject}: ${object.label} belongs to ${object.device.label}, not to ${device.label}`, {
      code: 'ERR_DOMAIN_MISMATCH',
      values: { object: object.label, device: device.label },
    })
  }
}
