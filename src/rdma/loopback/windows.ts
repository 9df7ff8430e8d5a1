import { accessFlags } from '../contract/access-flags.js'
import type { DeviceCalls } from '../contract/device-calls.js'
import type { LoopbackContext } from './context.js'
import type { QueuePairEndpoint, Window } from './records.js'
import type { RegisteredMemory } from './registered-memory.js'
import type { LoadedSend } from './send-request.js'
import { wire } from './wire.js'

const { localWrite, remoteWrite, remoteAtomic, bindWindow, zeroBased } = accessFlags.byName

function release(window: Window): void {
  if (window.memory !== undefined) window.memory.windows -= 1
  window.memory = undefined
  window.queuePair?.windows?.delete(window)
  window.queuePair = undefined
  window.length = 0
  window.access = 0
}

/** Ends the remote access. @returns false for a memory window that is not bound, or is of type 1 (a bind closes it) */
function invalidateWindow(window: Window): boolean {
  if (window.type === 1 || window.memory === undefined) return false
  release(window)
  return true
}

/**
 * Binds a memory window, by the rules of InfiniBand Architecture Specification 1, 10.6.7.2 and of Soft-RoCE.
 *
 * @returns false when this is not possible; nothing is changed then
 */
export function bindTo(queuePair: QueuePairEndpoint, send: LoadedSend): boolean {
  const { window, bindMemory: memory, bindOffset: offset, bindLength: length, bindAccess: access, bindKey } = send
  if (window === undefined || window.domain !== queuePair.domain) return false
  const isClosing = memory === undefined || length === 0
  if (window.type === 2 && (isClosing || window.memory !== undefined)) return false
  if (window.type === 1 && (access & zeroBased) !== 0) return false
  if (window.type === 2 && bindKey >>> 8 !== window.rkey >>> 8) return false
  if (window.type === 2 && (bindKey & 0xff) === (window.rkey & 0xff)) return false
  if (!isClosing && !fits(window, memory, offset, length, access)) return false
  release(window)
  wire.dropKey(window.rkey)
  window.rkey = window.type === 2 ? bindKey : nextKey(window.rkey)
  wire.setKey(window.rkey, window)
  if (isClosing) return true
  const start = (access & zeroBased) === 0 ? memory.address + BigInt(offset) : 0n
  memory.windows += 1
  window.memory = memory
  window.offset = offset
  window.length = length
  window.low = Number(start & 0xffff_ffffn)
  window.high = Number(start >> 32n)
  window.access = access
  window.queuePair = queuePair
  queuePair.windows ??= new Set()
  queuePair.windows.add(window)
  return true
}

function fits(window: Window, memory: RegisteredMemory, offset: number, length: number, access: number): boolean {
  if (memory.domain !== window.domain || (memory.access & bindWindow) === 0 || memory.isImplicit) return false
  if ((memory.access & zeroBased) !== 0) return false
  if ((access & (remoteWrite | remoteAtomic)) !== 0 && (memory.access & localWrite) === 0) return false
  return offset + length <= memory.length
}

/** The same key with another low byte. */
function nextKey(rkey: number): number {
  return ((rkey & 0xffff_ff00) | ((rkey + 1) & 0xff)) >>> 0
}

export function windowCalls(context: LoopbackContext) {
  return {
    allocateWindow(domain, type) {
      const of = context.domains.get('ibv_alloc_mw', domain)
      const window: Window = {
        isWindow: true,
        handle: 0,
        domain: of,
        type,
        rkey: wire.newKey(),
        memory: undefined,
        named: undefined,
        offset: 0,
        low: 0,
        high: 0,
        length: 0,
        access: 0,
        queuePair: undefined,
      }
      window.handle = context.windows.add(window)
      wire.setKey(window.rkey, window)
      of.uses += 1
      return { handle: window.handle, rkey: window.rkey }
    },
    windowKey(window) {
      return context.windows.get('ibv_bind_mw', window).rkey
    },
    freeWindow(window) {
      const freed = context.windows.remove('ibv_dealloc_mw', window)
      release(freed)
      wire.dropKey(freed.rkey)
      freed.domain.uses -= 1
    },
  } satisfies Partial<DeviceCalls>
}

/**
 * Invalidates the memory window of a key in the domain of `queuePair`.
 *
 * @returns false if the key belongs to no bound memory window of type 2
 */
export function invalidateByKey(queuePair: QueuePairEndpoint, rkey: number): boolean {
  const keyed = wire.byKey(rkey)
  if (keyed === undefined || !keyed.isWindow || keyed.domain !== queuePair.domain) return false
  return invalidateWindow(keyed)
}
