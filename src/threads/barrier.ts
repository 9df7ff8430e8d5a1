import { native } from '../native.js'

let isRegistered: boolean | undefined

/**
 * Makes the threads of this process reachable by `barrierEverywhere`, of any process. False if the kernel has no such
 * barriers.
 */
export function reachableByBarriers(): boolean {
  isRegistered ??= native.registerForBarriers()
  return isRegistered
}

/**
 * A memory barrier (membarrier(2)) in every reachable thread: this thread sees what they stored before it, and they see
 * what this thread stored before it. It replaces a barrier in code that runs a hundred million times a second: there a
 * store may pass a later load, which is the only order that x86-64 does not keep. It interrupts all threads and takes
 * microseconds.
 *
 * It is point V1 of side-ownership.ts, between the store V0 and the load V2, and stands in the other threads between
 * their store K0 and their load K1.
 *
 * @returns false if the kernel refused it
 */
export function barrierEverywhere(): boolean {
  return native.barrierEverywhere()
}
