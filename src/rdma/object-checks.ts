import * as z from 'zod/mini'
import type { AddressHandle } from './address-handle.js'
import type { CompletionChannel } from './completion-channel.js'
import type { CompletionQueue } from './completion-queue.js'
import type { ObjectKind } from './contract/closing-order.js'
import type { Device } from './device.js'
import type { DeviceMemory } from './device-memory.js'
import { kindOf } from './device-object.js'
import type { ImplicitRegistration } from './implicit-registration.js'
import type { MemoryWindow } from './memory-window.js'
import type { ProtectionDomain } from './protection-domain.js'
import type { QueuePair } from './queue-pair.js'
import type { Registration } from './registration.js'
import type { SharedReceiveQueue } from './shared-receive-queue.js'

/** The class of each kind of objects: types only, so that a check of an argument imports no class. */
interface ObjectOfKind extends Record<ObjectKind, unknown> {
  'memory window': MemoryWindow
  'queue pair': QueuePair
  'shared receive queue': SharedReceiveQueue
  'address handle': AddressHandle
  registration: Registration
  'implicit registration': ImplicitRegistration
  'device memory': DeviceMemory
  'completion queue': CompletionQueue
  'completion channel': CompletionChannel
  domain: ProtectionDomain
  device: Device
}

const classNames: Readonly<Record<ObjectKind, string>> = {
  'memory window': 'MemoryWindow',
  'queue pair': 'QueuePair',
  'shared receive queue': 'SharedReceiveQueue',
  'address handle': 'AddressHandle',
  registration: 'Registration',
  'implicit registration': 'ImplicitRegistration',
  'device memory': 'DeviceMemory',
  'completion queue': 'CompletionQueue',
  'completion channel': 'CompletionChannel',
  domain: 'ProtectionDomain',
  device: 'Device',
}

/** Whether a value is an object of that kind. A Proxy of one is not, and neither is an object with the same prototype. */
export function isObjectOfKind<Kind extends ObjectKind>(value: unknown, kind: Kind): value is ObjectOfKind[Kind] {
  return kindOf(value) === kind
}

/** A schema of the objects of a kind. */
export function deviceObject<Kind extends ObjectKind>(
  kind: Kind,
): z.core.$ZodType<ObjectOfKind[Kind], ObjectOfKind[Kind]> {
  return z.custom<ObjectOfKind[Kind]>((value) => isObjectOfKind(value, kind), {
    error: `expected a ${classNames[kind]}`,
  })
}
