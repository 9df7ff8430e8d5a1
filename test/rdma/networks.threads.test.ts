import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { beforeEach, describe, expect, test } from 'vitest'
import { openDevice, PinfoldError, parseQueuePair, type QueuePairDescription } from '../../src/index.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNotBuilt))

const program = new URL('../support/programs/loopback-peer.mjs', import.meta.url)

async function ofThread(): Promise<QueuePairDescription[]> {
  const worker = new Worker(program)
  const [message] = await once(worker, 'message')
  await worker.terminate()
  return JSON.parse(message).map(parseQueuePair)
}

async function ofProcess(): Promise<QueuePairDescription[]> {
  const child = fork(fileURLToPath(program))
  const [message] = await once(child, 'message')
  child.kill('SIGKILL')
  await once(child, 'close')
  return JSON.parse(message).map(parseQueuePair)
}

/** The error that a call throws. */
function thrown(call: () => unknown): PinfoldError {
  try {
    call()
  } catch (error) {
    if (error instanceof PinfoldError) return error
    throw error
  }
  throw new Error('it was taken')
}

describe.each([
  { whose: 'thread', describedBy: ofThread },
  { whose: 'process', describedBy: ofProcess },
])('the loopback of another $whose, which has ended', ({ describedBy }) => {
  test('is refused at once by connections and address handles, with a hint', async () => {
    const [rc, uc, ud] = await describedBy()
    if (rc === undefined || uc === undefined || ud === undefined) throw new Error('it has not told all of them')
    const device = openDevice({ loopback: true })
    try {
      const domain = device.createDomain()
      const sendQueue = device.createCompletionQueue({ entries: 128 })
      const reliable = domain.createQueuePair({ sendQueue })
      const unreliable = domain.createQueuePair({ type: 'UC', sendQueue })
      const refusals = [
        thrown(() => reliable.connect(rc)),
        thrown(() => unreliable.connect(uc)),
        thrown(() => domain.createAddressHandle({ gid: ud.gid })),
      ]
      for (const { code, message, hint } of refusals) {
        expect(code).toBe('ERR_DEVICE_REFUSED')
        expect(message).toContain('no open loopback device of this machine has that GID')
        expect(hint).toMatch(/connect while both devices are open; or open a real device at both ends/)
      }
      expect([reliable.query().state, unreliable.query().state]).toEqual(['RESET', 'RESET'])
      expect(rc.gid).not.toBe(device.bestGid(1).gid)
    } finally {
      device.close({ force: true })
    }
  })
})
