import { native } from '../../native.js'
import type { DeviceCalls } from '../contract/device-calls.js'
import type { OpenContext } from './open-context.js'
import { attempted } from './refusal.js'

type MemoryCalls = Pick<
  DeviceCalls,
  | 'allocateDomain'
  | 'freeDomain'
  | 'allocateDeviceMemory'
  | 'freeDeviceMemory'
  | 'writeDeviceMemory'
  | 'readDeviceMemory'
  | 'allocateWindow'
  | 'windowKey'
  | 'freeWindow'
>

/** Calls for domains, device memory and memory windows. */
export function memoryCalls(context: OpenContext): MemoryCalls {
  const { verbs } = native
  return {
    allocateDomain: () => attempted(() => verbs.allocateDomain(context.number)),
    freeDomain(domain) {
      attempted(() => verbs.freeDomain(context.number, domain))
    },
    allocateDeviceMemory: (length, alignment) =>
      attempted(() => verbs.allocateDeviceMemory(context.number, length, alignment)),
    freeDeviceMemory(memory) {
      attempted(() => verbs.freeDeviceMemory(context.number, memory))
    },
    writeDeviceMemory(memory, offset, bytes) {
      attempted(() => verbs.writeDeviceMemory(context.number, memory, offset, bytes))
    },
    readDeviceMemory(memory, offset, bytes) {
      attempted(() => verbs.readDeviceMemory(context.number, memory, offset, bytes))
    },
    allocateWindow(domain, type) {
      const handle = attempted(() => verbs.allocateWindow(context.number, domain, type))
      return { handle, rkey: verbs.windowKey(context.number, handle) }
    },
    windowKey: (window) => attempted(() => verbs.windowKey(context.number, window)),
    freeWindow(window) {
      attempted(() => verbs.freeWindow(context.number, window))
    },
  }
}
