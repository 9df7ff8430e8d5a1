// What both sides do with a peer. They exchange over TCP, in lines of JSON, what they need to connect by RDMA.
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { type Completion, type CompletionQueue, explainStatus } from 'pinfold'

export const tcpPort = 18600

/** The messages of a peer, and a signal that the peer is gone. A message may contain anything: its reader checks it. */
export function peerAt(socket: Socket) {
  const gone = new AbortController()
  socket.once('error', (error) => gone.abort(error))
  socket.once('close', () => gone.abort(new Error('the connection has ended')))
  socket.on('timeout', () => gone.abort(new Error('the peer has said nothing for 30 s')))
  const end = new Promise<never>((_, reject) => {
    gone.signal.addEventListener('abort', () => reject(gone.signal.reason))
  })
  end.catch(() => {}) // it is told to whoever receives
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  async function receive(): Promise<Record<string, unknown>> {
    socket.setTimeout(30_000)
    const { done, value } = await Promise.race([lines.next(), end])
    socket.setTimeout(0) // a client may think for as long as it likes between two requests
    if (done) throw new Error('the connection has ended')
    return JSON.parse(value)
  }
  return { receive, send: (message: object) => socket.write(`${JSON.stringify(message)}\n`), gone: gone.signal }
}

/** The next completions. The first request that fails tells the reason: those behind it only follow. */
export async function completionsOf(queue: CompletionQueue, signal: AbortSignal): Promise<Completion[]> {
  const completions = await queue.wait({ signal })
  const failed = completions.find(({ ok }) => !ok)
  if (failed !== undefined) throw new Error(`${failed.operation ?? 'a request'}: ${explainStatus(failed.status)}`)
  return completions
}
