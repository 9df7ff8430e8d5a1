import {
  type Access,
  type Completion,
  type ConnectOptions,
  openDevice,
  openRegistrySync,
  parseRemoteMemory,
  type QueuePairDescription,
  type QueuePairOptions,
  type RemoteMemory,
  type RemoteMemoryDescription,
} from '../../src/index.js'
import type { FarSide } from './far-side.js'

const rights: readonly Access[] = ['remoteWrite', 'remoteRead', 'remoteAtomic']
let pairs = 0

/** This side of a loopback connection: a device, 4 MiB of registered memory, and queue pairs connected to a FarSide. */
export class NearSide {
  readonly device = openDevice({ loopback: true })
  readonly memory = openRegistrySync({ leaks: 'off' })
  readonly region = this.memory.allocateSync('near', { size: '4MiB', pages: 'base' })
  readonly domain = this.device.createDomain()
  readonly queue = this.device.createCompletionQueue({ entries: 4096 })
  readonly registration = this.memory.registerSync(this.region, this.domain, ['localWrite', 'bindWindow', ...rights])

  /** Two connected queue pairs. The far one has a name for the commands of its side. */
  async pair(
    far: FarSide,
    options: Partial<QueuePairOptions> = {},
    connect: ConnectOptions = {},
    farOptions: Readonly<Record<string, unknown>> = {},
  ) {
    const name = `pair-${++pairs}`
    const { type = 'RC' } = options
    const queuePair = this.domain.createQueuePair({ sendQueue: this.queue, inlineBytes: 64, ...options })
    const peer = await far.call<QueuePairDescription>('pair', name, { type, ...farOptions })
    queuePair.connect(peer, { access: rights, ...connect })
    await far.call('connect', name, queuePair.describe(), connect)
    return { queuePair, name, peer }
  }

  /** Memory of the far side. */
  async remote(far: FarSide, name = 'all'): Promise<RemoteMemory> {
    return parseRemoteMemory(await far.call<RemoteMemoryDescription>('memory', name))
  }

  /** The next `count` completions. @throws after 20 seconds */
  async completions(count: number): Promise<Completion[]> {
    const found: Completion[] = []
    const signal = AbortSignal.timeout(20_000)
    while (found.length < count) found.push(...(await this.queue.wait({ signal, most: count - found.length })))
    return found
  }

  async completion(): Promise<Completion> {
    const [first] = await this.completions(1)
    if (first === undefined) throw new Error('no completion came')
    return first
  }

  async status(): Promise<string> {
    return (await this.completion()).status
  }

  close(): void {
    this.device.close({ force: true })
    this.memory.close()
  }
}
