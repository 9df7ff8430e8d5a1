import { native } from '../native.js'

let isRegistered: boolean | undefined

/**
 * Whether `barrierEverywhere` of any process reaches the threads of this one, from now on; false where the kernel has no
 * such barriers.
 */
export function reachableByBarriers(): boolean {
  isRegistered ??= native.registerForBarriers()
  return isRegistered
}

/**
 * A memory barrier for all threads that can be reached: what they have stored before is visible to this one, and they see
 * what this one has stored. So that they need none themselves, in what they do a hundred million times a second; it
 * interrupts them all and takes microseconds. False where it could not be made.
 */
export function barrierEverywhere(): boolean {
  return native.barrierEverywhere()
}
