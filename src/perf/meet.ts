import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { abortReason, onAbort, throwIfAborted } from '../abort.js'
import { PinfoldError } from '../errors.js'
import { clock } from './clock.js'
import { Control } from './control.js'

/** Milliseconds between two attempts to reach a server. */
const pause = 200
/** Errors after which a server may be there a little later. */
const passing = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN'])

/** Where a server waits for its clients. */
export class Waiting {
  readonly #server: Server

  /** Takes the next client; undefined while the server measures with another one. */
  #take: ((socket: Socket) => void) | undefined

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => {
      if (this.#take === undefined) refuseBusy(socket)
      else this.#take(socket)
    })
  }

  /** @param port 0 lets the system choose @throws PinfoldError `ERR_ADDRESS_IN_USE`, `ERR_PERMISSION` */
  static async at(port: number): Promise<Waiting> {
    const server = createServer({ pauseOnConnect: true })
    try {
      server.listen(port)
      await once(server, 'listening')
    } catch (error) {
      throw unusable(port, error)
    }
    return new Waiting(server)
  }

  get port(): number {
    const address = this.#server.address()
    return isAddressInfo(address) ? address.port : 0
  }

  /** The next client. @throws the signal's reason */
  async next(signal: AbortSignal): Promise<Control> {
    throwIfAborted(signal)
    return new Promise((resolve, reject) => {
      const deafen = onAbort(signal, () => {
        this.#take = undefined
        reject(abortReason(signal))
      })
      this.#take = (socket) => {
        this.#take = undefined
        deafen()
        resolve(new Control(socket))
      }
    })
  }

  close(): void {
    this.#server.close()
  }
}

/** Two measurements at the same time would disturb each other. */
function refuseBusy(socket: Socket): void {
  const control = new Control(socket)
  control.fail('it measures with another client at present')
  control.close()
}

/**
 * Reaches a server, which may start within `seconds`.
 *
 * @throws the signal's reason; PinfoldError `ERR_ADDRESS_UNREACHABLE`
 */
export async function reach(host: string, port: number, seconds: number, signal: AbortSignal): Promise<Control> {
  const end = clock() + seconds * 1000
  for (;;) {
    const socket = connect({ host, port })
    try {
      await once(socket, 'connect', { signal })
      return new Control(socket)
    } catch (error) {
      socket.destroy()
      signal.throwIfAborted()
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (!passing.has(code) || clock() + pause > end) throw unreachable(host, port, seconds, error)
      await setTimeout(pause, undefined, { signal })
    }
  }
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}

function unusable(port: number, cause: unknown): PinfoldError {
  const isTaken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
  return new PinfoldError(`perf: TCP port ${port} ${isTaken ? 'is in use' : `cannot be used: ${cause}`}`, {
    code: isTaken ? 'ERR_ADDRESS_IN_USE' : 'ERR_PERMISSION',
    values: { port },
    hint: isTaken ? 'another server may be running; give another --tcp-port on both sides' : undefined,
    cause,
  })
}

function unreachable(host: string, port: number, seconds: number, cause: unknown): PinfoldError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new PinfoldError(`perf: no server answers at ${host}, TCP port ${port}, for ${seconds} s: ${why}`, {
    code: 'ERR_ADDRESS_UNREACHABLE',
    values: { host, port, seconds },
    hint: 'start the same command without a host there, or give --wait SECONDS',
    cause,
  })
}
