import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openRegistrySync, PinfoldError, parseRemoteMemory } from '../../src/index.js'
import type { Burst } from '../../src/rdma/burst.js'
import { openDevice } from '../../src/rdma/devices/open-device.js'

// Requests are posted at every instant of a failure: before the error is seen, after the peer has closed, while things are
// being closed. Each post is taken or refused by a typed error, and each promise settles.

const posts = ['write', 'wrong key', 'send', 'request', 'receive', 'burst', 'series'] as const
const others = [
  'the peer posts a receive',
  'poll',
  'wait a turn',
  'the peer closes',
  'to ERR',
  'connect again',
  'close the queue pair',
  'close the completion queue',
  'close the device',
] as const
type Action = (typeof posts)[number] | (typeof others)[number]

/** The codes with which a post may be refused, by the state of the queue pair as the program can know it. */
const allowed = { open: ['ERR_QUEUE_FULL'], idle: ['ERR_QUEUE_PAIR_STATE'], closed: ['ERR_OBJECT_CLOSED'] } as const

class World {
  readonly memory = openRegistrySync({ leaks: 'off' })
  readonly device = openDevice({ loopback: true })
  readonly domain = this.device.createDomain()
  readonly queue = this.device.createCompletionQueue({ entries: 4096 })
  readonly farQueue = this.device.createCompletionQueue({ entries: 4096 })
  readonly near = this.domain.createQueuePair({ sendQueue: this.queue, sendRequests: 8, receiveRequests: 8 })
  readonly far = this.domain.createQueuePair({ sendQueue: this.farQueue, receiveRequests: 64 })
  readonly registration = this.memory.registerSync(
    this.memory.allocateSync('bytes', { size: 8192, pages: 'base' }),
    this.domain,
    ['localWrite', 'remoteWrite'],
  )
  readonly remote = parseRemoteMemory(this.registration.describe())
  readonly wrong = parseRemoteMemory({ ...this.registration.describe(), rkey: 1 })
  readonly promises: Promise<string>[] = []
  readonly bursts: Burst[] = []
  readonly refusals: string[] = []
  state: keyof typeof allowed = 'idle'

  constructor() {
    this.connect()
  }

  connect(): void {
    if (this.near.closed || this.far.closed) return
    for (const end of [this.near, this.far]) if (end.state !== 'RESET') end.modify({ state: 'RESET' })
    this.near.connect(this.far.describe(), { timeout: 1, retryCount: 1 })
    this.far.connect(this.near.describe(), { access: ['remoteWrite'] })
    this.state = 'open'
  }

  /** A post that is refused by a code that the state does not allow fails the test. */
  attempt(post: () => unknown): void {
    try {
      post()
    } catch (error) {
      if (!(error instanceof PinfoldError)) throw error
      this.refusals.push(error.code)
      expect(allowed[this.state]).toContain(error.code)
    }
  }

  follow(promise: Promise<{ readonly status: string }>): void {
    this.promises.push(promise.then(({ status }) => status).catch(codeOf))
  }

  act(action: Action): void | Promise<void> {
    const { near, registration, remote } = this
    const memory = registration.slice(0, 64)
    switch (action) {
      case 'write':
        return this.attempt(() => near.post({ operation: 'write', memory, remote: remote.slice(4096, 64) }))
      case 'wrong key':
        return this.attempt(() => near.post({ operation: 'write', memory, remote: this.wrong.slice(0, 64) }))
      case 'send':
        return this.attempt(() => near.post({ operation: 'send', memory }))
      case 'request':
        return this.follow(near.request({ operation: 'send', memory }))
      case 'receive':
        return this.follow(near.receive({ memory }))
      case 'burst':
        return this.attempt(() => {
          for (let index = 0; index < 3; index++) near.sends.send(memory, index, 0)
          try {
            const burst = near.sends.start()
            this.bursts.push(burst)
            this.promises.push(burst.finished.then(() => 'SUCCESS').catch(codeOf))
          } finally {
            near.sends.clear()
          }
        })
      case 'series':
        return this.attempt(() => {
          try {
            near.sends.writeSeries(registration, remote.slice(4096), { count: 4, step: 64 }).post()
          } finally {
            near.sends.clear()
          }
        })
      case 'the peer posts a receive':
        if (!this.far.closed && this.far.state !== 'RESET') this.attempt(() => this.far.postReceive({ memory }))
        return
      case 'poll':
        if (!this.queue.closed) this.queue.poll(64)
        if (!this.farQueue.closed) this.farQueue.poll(64)
        return
      case 'wait a turn':
        return new Promise((resolve) => setImmediate(resolve))
      case 'the peer closes':
        return this.far.close()
      case 'to ERR':
        if (!near.closed && near.state !== 'RESET') near.modify({ state: 'ERR' })
        return
      case 'connect again':
        return this.connect()
      case 'close the queue pair':
        near.close()
        this.state = 'closed'
        return
      case 'close the completion queue':
        this.queue.close({ force: true })
        this.state = 'closed'
        return
      case 'close the device':
        this.device.close({ force: true })
        this.state = 'closed'
        return
    }
  }
}

function codeOf(error: unknown): string {
  if (error instanceof PinfoldError) return error.code
  throw error
}

test('a post at any instant is taken, or refused by a typed error, and every promise settles', async () => {
  const action = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<Action>(...posts) },
    { weight: 2, arbitrary: fc.constantFrom<Action>(...others.slice(0, 6)) },
    { weight: 1, arbitrary: fc.constantFrom<Action>(...others) },
  )
  const settled = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (actions) => {
      const world = new World()
      try {
        for (const next of actions) await world.act(next)
      } finally {
        world.device.close({ force: true })
      }
      for (const end of await Promise.all(world.promises)) settled.set(end, (settled.get(end) ?? 0) + 1)
      for (const burst of world.bursts) {
        const { succeeded, failed, flushed } = burst.outcome
        expect(succeeded + failed + flushed + burst.outstanding).toBe(burst.posted)
      }
      world.memory.close()
    }),
    { numRuns: 300 },
  )
  const ends = ['SUCCESS', 'ERR_REQUEST_FAILED', 'ERR_OBJECT_CLOSED', 'ERR_QUEUE_FULL', 'ERR_QUEUE_PAIR_STATE']
  expect([...settled.keys()].toSorted()).toEqual(ends.toSorted())
})
