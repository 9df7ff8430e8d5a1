import assert from 'node:assert/strict'
import type { End, Kit, Pair } from './kit.js'
import { type Access, type MemoryWindow, parseRemoteMemory, type RemoteMemory, type WorkMemory } from './rdma.js'

/** The reason for which a device is excused. */
export const opensAll = 'a window opens all of its registration'

/** All rights that a window can give. */
export const reachable: readonly Access[] = ['remoteWrite', 'remoteRead', 'remoteAtomic']

export function remoteOf(window: MemoryWindow): RemoteMemory {
  return parseRemoteMemory(JSON.parse(JSON.stringify(window.describe())))
}

export function allocate(kit: Kit, type: 1 | 2): MemoryWindow {
  return kit.optional(`windows of type ${type}`, () => kit.domain.allocateWindow({ type }))
}

/** Binds a window, and waits until the bind is done. Returns its status. */
export async function bind(
  kit: Kit,
  { queuePair, queue }: End,
  window: MemoryWindow,
  memory: WorkMemory | undefined,
  access = reachable,
): Promise<string> {
  kit.optional(`bind of a window of type ${window.type}`, () =>
    queuePair.post({ operation: 'bind', window, ...(memory === undefined ? {} : { memory }), access }),
  )
  const { operation, ok, status } = await kit.completion(queue)
  if (ok) assert.equal(operation, 'bind')
  return status
}

/** Writes 8 bytes to `remote` at `offset`, from the near end. Returns the status. */
export async function write(kit: Kit, { near }: Pair, remote: RemoteMemory, offset = 0): Promise<string> {
  const from = kit.buffer(8)
  from.bytes.fill(0xab)
  near.queuePair.post({ operation: 'write', memory: from.registration, remote: remote.slice(offset, 8) })
  return await kit.status(near.queue)
}
