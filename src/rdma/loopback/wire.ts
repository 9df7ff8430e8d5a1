import { constants } from 'node:os'
import { random, randomInt } from '../../builtins.js'
import { fullGid } from '../contract/gids.js'
import type { QueuePairEndpoint, Window } from './records.js'
import { refusal } from './refusal.js'
import type { RegisteredMemory } from './registered-memory.js'

const { ENOMEM } = constants.errno

/**
 * The GID of the port of all loopback devices of this thread: link-local, with a random interface identifier (RFC
 * 7217). So a peer of another thread or process can be recognized by its GID.
 */
export function loopbackGid(): string {
  gid ??= fullGid(`fe80${'0'.repeat(12)}${process.getBuiltinModule('node:crypto').randomBytes(8).toString('hex')}`)
  return gid
}

let gid: string | undefined

/** The queue pair number of datagrams to a group (IBTA 10.5.2.1). */
export const groupNumber = 0xff_ffff

/**
 * Joins the queue pairs of all loopback devices of this thread: it knows their numbers, the keys of registered memory,
 * and the multicast groups.
 */
class Wire {
  readonly #queuePairs = new Map<number, QueuePairEndpoint>()
  readonly #keys = new Map<number, RegisteredMemory | Window>()
  readonly #groups = new Map<string, Set<QueuePairEndpoint>>()
  // The last look-ups: most batches go to one peer and to one of its registrations.
  #lastKey = 0
  #lastKeyed: RegisteredMemory | Window | undefined
  #last: QueuePairEndpoint | undefined
  #nextNumber = 0x11 + Math.floor(random() * 2 ** 16)
  #nextKey = Math.floor(random() * 2 ** 16)

  /** A queue pair number that is not in use. It is not given again before all other numbers were. */
  number(): number {
    for (let tries = 0; tries < groupNumber; tries++) {
      this.#nextNumber = (this.#nextNumber + 1) % groupNumber
      if (this.#nextNumber >= 2 && !this.#queuePairs.has(this.#nextNumber)) return this.#nextNumber
    }
    throw refusal('ibv_create_qp', 'all queue pair numbers are in use', {}, 'ERR_DEVICE_REFUSED', ENOMEM)
  }

  /**
   * A key that is not in use: a count of 23 bits and a random low byte. So a stale key can be valid again only after 8
   * million registrations, and then with a probability of 1 in 256. The highest bit stays 0, since V8 would have to box
   * a key with that bit.
   */
  newKey(): number {
    for (let tries = 0; tries < 2 ** 23; tries++) {
      this.#nextKey = (this.#nextKey + 1) % 2 ** 23
      const key = this.#nextKey * 256 + randomInt(0, 256)
      if (this.#nextKey !== 0 && !this.#keys.has(key)) return key
    }
    throw refusal('ibv_reg_mr', 'all keys are in use', {}, 'ERR_DEVICE_REFUSED', ENOMEM)
  }

  plug(queuePair: QueuePairEndpoint): void {
    this.#queuePairs.set(queuePair.number, queuePair)
  }

  unplug(queuePair: QueuePairEndpoint): void {
    this.#queuePairs.delete(queuePair.number)
    this.#last = undefined
    for (const gid of queuePair.groups) this.leave(gid, queuePair)
  }

  queuePair(number: number): QueuePairEndpoint | undefined {
    if (this.#last?.number === number) return this.#last
    const found = this.#queuePairs.get(number)
    if (found !== undefined) this.#last = found
    return found
  }

  setKey(key: number, memory: RegisteredMemory | Window): void {
    this.#keys.set(key, memory)
    this.#forgetKey()
  }

  dropKey(key: number): void {
    this.#keys.delete(key)
    this.#forgetKey()
  }

  byKey(key: number): RegisteredMemory | Window | undefined {
    if (key === this.#lastKey) return this.#lastKeyed
    const keyed = this.#keys.get(key)
    if (keyed === undefined) return undefined
    this.#lastKey = key
    this.#lastKeyed = keyed
    return keyed
  }

  #forgetKey(): void {
    this.#lastKey = 0
    this.#lastKeyed = undefined
  }

  join(gid: string, queuePair: QueuePairEndpoint): void {
    const members = this.#groups.get(gid) ?? new Set()
    members.add(queuePair)
    this.#groups.set(gid, members)
  }

  leave(gid: string, queuePair: QueuePairEndpoint): boolean {
    const members = this.#groups.get(gid)
    if (members === undefined) return false
    const isLeft = members.delete(queuePair)
    if (members.size === 0) this.#groups.delete(gid)
    return isLeft
  }

  group(gid: string): ReadonlySet<QueuePairEndpoint> {
    return this.#groups.get(gid) ?? new Set()
  }
}

export const wire = new Wire()
