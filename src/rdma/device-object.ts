import { inspect } from 'node:util'
import * as z from 'zod'
import { disposeBy } from '../disposal.js'
import { PinfoldError } from '../errors.js'
import { checked, optionsObject } from '../options.js'
import type { CompletionQueue } from './completion-queue.js'
import { closingOrder, type ObjectKind } from './contract/closing-order.js'
import type { DeviceCalls, Handle } from './contract/device-calls.js'
import type { MemoryWindow } from './memory-window.js'
import type { QueuePair } from './queue-pair.js'
import type { SharedReceiveQueue } from './shared-receive-queue.js'

const closeOptions = z.lazy(() => optionsObject({ force: z.boolean().optional() }))

/** How `close()` treats what stands on the object: refuses (the default), or closes that, too. */
export interface CloseOptions {
  readonly force?: boolean | undefined
}

const none: ReadonlySet<never> = new Set()

let created = 0

/** What the objects of one device share, and no program reaches. */
export interface DeviceInternals {
  readonly calls: DeviceCalls
  /** By what the device calls them, for its events. */
  readonly queues: Map<Handle, CompletionQueue>
  readonly queuePairs: Map<Handle, QueuePair>
  readonly sharedReceiveQueues: Map<Handle, SharedReceiveQueue>
  /** Windows of type 2 that are bound, by key: a completion may say that a peer has closed one. */
  readonly boundWindows: Map<number, MemoryWindow>
}

// How the modules of this library reach what is private to an object of a device.

/** What the device knows an object by. */
export let handleOf: (object: DeviceObject) => Handle
/** The calls of an object's device. */
export let callsOf: (object: DeviceObject) => DeviceCalls
/** What an object shares with the others of its device. */
export let internalsOf: (object: DeviceObject) => DeviceInternals
/** The kind of an object that this library made; undefined for every other value, a Proxy of such an object included. */
export let kindOf: (value: unknown) => ObjectKind | undefined

/**
 * An object of a device, which is one thread's. It stands on its parents, which refuse to close before it, unless told to
 * take it along (`force`). Closing it again does nothing.
 *
 * A parent keeps its children: one that the program has dropped is closed with the device, or with the thread.
 */
export abstract class DeviceObject {
  /** A number of its own in this thread, as messages and listings name it; never used again. */
  readonly number: number = ++created
  /** What the device knows it by. Private like the rest: with another's handle a program would act on that object. */
  readonly #handle: Handle
  readonly #kind: ObjectKind
  readonly #shared: DeviceInternals
  #parents: readonly DeviceObject[]
  // Made when something comes in: most objects never have either.
  #children: Set<DeviceObject> | undefined
  /** Calls that are under way on it, each by what is told of it. */
  #underWay: Set<{ readonly label: string }> | undefined
  readonly #onClose: (() => void)[] = []
  #closed = false

  static {
    handleOf = (object) => object.#handle
    callsOf = (object) => object.#shared.calls
    internalsOf = (object) => object.#shared
    kindOf = (value) => (typeof value === 'object' && value !== null && #kind in value ? value.#kind : undefined)
  }

  /** @param shared the device's; of its parents where they are given */
  protected constructor(
    objectKind: ObjectKind,
    handle: Handle,
    parents: readonly [DeviceObject, ...DeviceObject[]] | readonly [],
    shared?: DeviceInternals,
  ) {
    const [first] = parents
    const internals = shared ?? (first === undefined ? undefined : first.#shared)
    if (internals === undefined) throw new TypeError(`a ${objectKind} of no device`)
    this.#kind = objectKind
    this.#handle = handle
    this.#shared = internals
    this.#parents = parents
    for (const parent of parents) parent.#adopt(this)
  }

  /** Destroys it at the device. What throws leaves it open. */
  protected abstract destroy(): void

  get objectKind(): ObjectKind {
    return this.#kind
  }

  get closed(): boolean {
    return this.#closed
  }

  /** What stands on it, in the order in which it would be closed. */
  get children(): DeviceObject[] {
    return inClosingOrder(this.#children ?? none)
  }

  /** As listings and messages name it: 'queue pair 7'. */
  get label(): string {
    return `${this.objectKind} ${this.number}`
  }

  /**
   * Destroys it. Once only: a second call does nothing.
   *
   * @param options `force` closes what stands on it before, in the order of dependence
   * @throws PinfoldError `ERR_OBJECT_BUSY` that lists what stands on it (nothing is changed then); what the device refuses
   */
  close(options?: CloseOptions): void {
    const force = options !== undefined && checked('close', closeOptions, options).force === true
    if (this.#closed) return
    this.#requireIdle()
    if (!force && this.#hasChildren) this.#refuseChildren()
    // Nothing stands on most objects; to walk and to sort nothing took a fifth of a registration.
    if (force && (this.#hasChildren || this.boundObjects.size > 0)) {
      // All below it in one order: a queue's queue pairs must wait for the windows of their domain.
      for (const object of inClosingOrder(new Set(this.#descendants()))) object.close()
    }
    this.destroy()
    this.leaveParents()
    for (const listener of this.#onClose.splice(0)) listener()
  }

  /** Closes it, and what stands on it: at the end of its block, nobody has it any more. @throws PinfoldError as `close` */
  [Symbol.dispose](): void {
    disposeBy(() => this.close({ force: true }))
  }

  /** What a forced close takes along beside what stands on it: windows that are bound to it. */
  protected get boundObjects(): ReadonlySet<DeviceObject> {
    return none
  }

  /** It is closed, and stands on nothing any more; also where its constructor fails in the midst. */
  protected leaveParents(): void {
    this.#closed = true
    for (const parent of this.#parents) parent.#children?.delete(this)
  }

  /** It stands on `to` from now on, in place of `from`. */
  protected exchangeParent(from: DeviceObject, to: DeviceObject): void {
    if (!this.#parents.includes(from)) return
    from.#children?.delete(this)
    this.#parents = this.#parents.map((parent) => (parent === from ? to : parent))
    to.#adopt(this)
  }

  /** @internal Something is under way on it: it cannot be closed before what is returned was called. */
  underWay(label: string): () => void {
    const call = { label }
    this.#underWay ??= new Set()
    this.#underWay.add(call)
    return () => this.#underWay?.delete(call)
  }

  /** @internal Called once it was closed. */
  onClose(listener: () => void): void {
    this.#onClose.push(listener)
  }

  /** @internal @throws PinfoldError `ERR_OBJECT_CLOSED` */
  requireOpen(subject: string): void {
    if (!this.#closed) return
    throw new PinfoldError(`${subject}: ${this.label} is closed`, {
      code: 'ERR_OBJECT_CLOSED',
      values: { object: this.label },
    })
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
    const children = this.children.map(({ label }) => label)
    throw new PinfoldError(`close: on ${this.label} stand ${listed(children)}`, {
      code: 'ERR_OBJECT_BUSY',
      values: { object: this.label, children },
      hint: 'close them before, or close({ force: true })',
    })
  }

  /** What is under way cannot be cascaded into: it has no object yet. */
  #requireIdle(): void {
    if (!this.#hasChildren && this.#underWay === undefined) return
    for (const object of [this, ...this.#descendants()]) {
      for (const { label } of object.#underWay ?? none) {
        throw new PinfoldError(`close: on ${object.label} there is ${label}`, {
          code: 'ERR_OBJECT_BUSY',
          values: { object: object.label, underWay: label },
          hint: 'wait for it before',
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

function inClosingOrder(objects: ReadonlySet<DeviceObject>): DeviceObject[] {
  const rank = (object: DeviceObject) => closingOrder.indexOf(object.objectKind)
  return [...objects].sort((one, other) => rank(one) - rank(other) || other.number - one.number)
}

/** Some of many, so that a message stays readable. */
function listed(labels: readonly string[]): string {
  const most = 8
  const more = labels.length - most
  return `${labels.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/**
 * Checks that objects that are to work together are open and of the same device.
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
    throw new PinfoldError(`${subject}: ${object.label} is of ${object.device.label}, not of ${device.label}`, {
      code: 'ERR_DOMAIN_MISMATCH',
      values: { object: object.label, device: device.label },
    })
  }
}
