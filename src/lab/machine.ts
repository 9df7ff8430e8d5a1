import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, type Server, type Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { PinfoldError } from '../errors.js'
import { abstractName, isListening } from './abstract-sockets.js'
import { emulatorArguments, type MachinePlan, type Port, ports, wireName } from './emulator-arguments.js'
import { dyingWithUs, emulatorEnvironment } from './processes.js'

/** Where a machine's streams go; what is left out is read to its end, and dropped. */
export interface MachineStreams {
  readonly stdin?: Readable | undefined
  readonly stdout?: Writable | undefined
  readonly stderr?: Writable | undefined
  /** What the guest's kernel and QEMU say. */
  readonly console?: Writable | undefined
}

/** How a machine's command ended. */
export interface MachineResult {
  /** Its exit status; 128 + the number of the signal that ended it. */
  readonly status: number
  /** Seconds from the start of the machine until the command began. */
  readonly startSeconds: number
}

/** What is kept of the guest's console, for when something fails. */
const mostLog = 16 * 1024

/**
 * One virtual machine, from its start until its command has ended. Its sockets are abstract, so that nothing is left in
 * the file system; its process dies with ours.
 */
export class Machine {
  readonly #plan: MachinePlan
  readonly #script: string
  readonly #streams: MachineStreams
  readonly #servers: Server[] = []
  readonly #sockets = new Map<Port, Socket>()
  readonly #ended: Promise<unknown>[] = []
  #child: ChildProcess | undefined
  #log = ''
  #complaint = ''
  #begun = 0
  #stopped = false
  #ready: number | undefined
  #status: number | undefined

  constructor(plan: MachinePlan, script: string, streams: MachineStreams) {
    this.#plan = plan
    this.#script = script
    this.#streams = streams
  }

  /** @throws PinfoldError `ERR_LAB_FAILED` when it does not start, or stops before its command has ended */
  async run(): Promise<MachineResult> {
    this.#begun = performance.now()
    try {
      await this.#listen()
      await this.#awaitWire()
      await this.#emulate()
      // What the guest has written stands in the sockets, though the machine is gone.
      await Promise.all(this.#ended)
    } finally {
      this.stop()
    }
    if (this.#status === undefined) throw this.#failure('ended before its command did')
    return { status: this.#status, startSeconds: ((this.#ready ?? this.#begun) - this.#begun) / 1000 }
  }

  /** Takes it down at once; `run` then fails, unless the command had ended. */
  stop(): void {
    this.#stopped = true
    this.#child?.kill('SIGKILL')
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets.values()) if (this.#status === undefined) socket.destroy()
  }

  async #listen(): Promise<void> {
    await this.#serve('log', (socket) => {
      socket.setEncoding('utf8').on('data', (text: string) => this.#noted(text))
    })
    for (const port of ports) {
      await this.#serve(port, (socket) => {
        this.#sockets.set(port, socket)
        this.#connect(port, socket)
      })
    }
  }

  /** The others' wires end in machine 0, which must have begun. */
  async #awaitWire(): Promise<void> {
    const { host, sockets } = this.#plan
    if (host === 0) return
    while (!this.#stopped && !isListening(wireName(sockets, host))) await setTimeout(20)
    if (this.#stopped) throw this.#failure('was not started')
  }

  #serve(name: string, connected: (socket: Socket) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        // The other end is a process that may be killed: its end is told by the process itself.
        socket.on('error', () => {})
        server.close()
        connected(socket)
      })
      this.#servers.push(server)
      server.on('error', reject)
      server.listen(`\0${abstractName(`${this.#plan.sockets}${this.#plan.host}-${name}`)}`, resolve)
    })
  }

  #connect(port: Port, socket: Socket): void {
    if (port === 'control') {
      this.#follow(socket)
    } else if (port === 'stdin') {
      const { stdin } = this.#streams
      if (stdin === undefined) socket.end()
      else stdin.pipe(socket)
      socket.resume()
    } else {
      this.#ended.push(new Promise((resolve) => socket.on('close', resolve)))
      const target = this.#streams[port]
      if (target === undefined) socket.resume()
      else socket.pipe(target, { end: false })
    }
  }

  /** What the guest tells, line by line. */
  #follow(socket: Socket): void {
    let text = ''
    socket.setEncoding('utf8').on('data', (more: string) => {
      text += more
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        this.#heard(text.slice(0, end), socket)
        text = text.slice(end + 1)
      }
    })
  }

  #heard(line: string, socket: Socket): void {
    const [word, ...rest] = line.split(' ')
    if (word === 'ready') {
      this.#ready = performance.now()
      socket.write(this.#script)
    } else if (word === 'failed') {
      this.#complaint = rest.join(' ')
      this.#child?.kill('SIGKILL')
    } else if (word === 'exit') {
      this.#status = Number(rest[0])
      this.#child?.kill('SIGKILL')
    }
  }

  #emulate(): Promise<void> {
    const { emulator, terminal } = this.#plan
    const [command = '', ...args] = dyingWithUs([emulator.path, ...emulatorArguments(this.#plan)])
    const child = spawn(command, args, {
      stdio: [terminal ? 'inherit' : 'ignore', terminal ? 'inherit' : 'ignore', 'pipe'],
      env: emulatorEnvironment(emulator),
    })
    this.#child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#noted(text))
    return new Promise((resolve, reject) => {
      child.on('error', (error) => reject(this.#failure(`could not be started: ${error.message}`)))
      child.on('close', () => resolve())
    })
  }

  #noted(text: string): void {
    this.#log = (this.#log + text).slice(-mostLog)
    this.#streams.console?.write(text)
  }

  #failure(what: string): PinfoldError {
    const log = this.#log.trim().split('\n').slice(-12).join('\n')
    const why = this.#complaint === '' ? what : this.#complaint
    return new PinfoldError(`lab: the machine ${why}${log === '' ? '' : `; its last words were:\n${log}`}`, {
      code: 'ERR_LAB_FAILED',
      values: { host: this.#plan.host, log },
    })
  }
}
