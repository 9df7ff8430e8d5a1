import { sendFlags } from './contract/operations.js'
import { isRegistration } from './registration.js'
import { isRegistrationSlice, type WorkMemory } from './registration-slice.js'
import { isRemoteMemory, isRemoteSlice, type RemoteMemory, type RemoteSlice } from './remote-memory.js'
import type { SendRequest } from './send-request.js'

/** A request of the most common kinds, with its types checked. Without `remote` it is a send. */
export interface PlainRequest {
  readonly operation: 'send' | 'write' | 'read'
  readonly memory: WorkMemory
  readonly remote: RemoteMemory | RemoteSlice | undefined
  readonly id: number
  readonly flags: number
}

const none: { readonly inline?: boolean; readonly solicited?: boolean } = {}

/**
 * Checks a request of the most common kinds: a send over a connection, a write or a read of one place. The schema of all
 * requests (send-request.ts) takes 1.8 µs for that. Each property is read once.
 *
 * @returns undefined for any other value. The schema accepts it, or says what is wrong with it
 */
export function plainRequest(request: SendRequest): PlainRequest | undefined {
  if (typeof request !== 'object' || request === null) return undefined
  try {
    for (const key in request) if (!isKnown(key)) return undefined
    const { operation, id = 0, signaled = true, fence = false } = request
    if (operation !== 'write' && operation !== 'read' && operation !== 'send') return undefined
    const { memory } = request
    if (!isRegistrationSlice(memory) && !isRegistration(memory)) return undefined
    const remote = 'remote' in request ? request.remote : undefined
    const isAimed = isRemoteSlice(remote) || isRemoteMemory(remote)
    if (operation === 'send' ? remote !== undefined : !isAimed) return undefined
    const { inline = false } = 'inline' in request ? request : none
    const { solicited = false } = 'solicited' in request ? request : none
    if (!isWhole(id) || !areBooleans(signaled, fence, inline, solicited)) return undefined
    if (operation === 'read' ? 'inline' in request : operation === 'write' && 'solicited' in request) return undefined
    const flags =
      (signaled ? sendFlags.signaled : 0) |
      (fence ? sendFlags.fence : 0) |
      (inline ? sendFlags.inline : 0) |
      (solicited ? sendFlags.solicited : 0)
    return { operation, memory, remote, id, flags }
  } catch {
    return undefined // a getter or a Proxy threw; the schema reads it again, and reports that
  }
}

function isKnown(key: string): boolean {
  switch (key) {
    case 'operation':
    case 'memory':
    case 'remote':
    case 'id':
    case 'signaled':
    case 'fence':
    case 'inline':
    case 'solicited':
      return true
    default:
      return false
  }
}

function isWhole(id: unknown): boolean {
  return Number.isSafeInteger(id) && typeof id === 'number' && id >= 0
}

function areBooleans(one: unknown, two: unknown, three: unknown, four: unknown): boolean {
  return typeof one === 'boolean' && typeof two === 'boolean' && typeof three === 'boolean' && typeof four === 'boolean'
}
