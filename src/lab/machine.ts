import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { PinfoldError } from '../errors.js'
import {
  type Descriptor,
  descriptorOf,
  emulatorArguments,
  type MachinePlan,
  wireDescriptors,
} from './emulator-arguments.js'
import { dyingWithUs, emulatorEnvironment } from './processes.js'

/** The destinations of a machine's streams. Output without a destination is read to its end, and dropped. */
export interface MachineStreams {
  readonly stdin?: Readable | undefined
  readonly stdout?: Writable | undefined
  readonly stderr?: Writable | undefined
  /** The messages of the guest's kernel and of QEMU. */
  readonly console?: Writable | undefined
  /** The terminal that takes the place of stdin, stdout and stderr. */
  readonly terminal?: Terminal | undefined
}

/** A terminal of this process, lent to a guest. */
export interface Terminal {
  readonly input: Readable
  readonly output: Writable
  size(): { readonly rows: number; readonly columns: number }
  /** @returns a function that removes the listener */
  onResize(listener: () => void): () => void
}

/** How a machine's command ended. */
export interface MachineResult {
  /** The command's exit status, or 128 + the number of the signal that ended it. */
  readonly status: number
  /** Seconds from the start of the machine until the command began. */
  readonly startSeconds: number
  /** Seconds from then until it ended. */
  readonly seconds: number
}

/** The most characters of the guest's console that are kept for an error message. */
const mostLog = 16 * 1024
/** Milliseconds. A start takes far less, even under emulation. */
const startLimit = 120_000

/**
 * One virtual machine. The kernel kills its process when this process ends. If the kernel does not, the guest notices
 * the end, and powers off.
 */
export class Machine {
  readonly #plan: MachinePlan
  readonly #script: string
  readonly #streams: MachineStreams
  readonly #begun = performance.now()
  readonly #child: ChildProcess
  readonly #timer: NodeJS.Timeout
  readonly #mark = randomUUID()
  readonly #received = { stdout: 0, stderr: 0 }
  #announced: { status: number; stdout: number; stderr: number } | undefined
  #ready: number | undefined
  #log = ''
  #complaint: string | undefined
  #letGo = () => {}
  #resolve: (result: MachineResult) => void = () => {}

  /** The other machines' ends of its wires, until those machines get them. */
  readonly wires: readonly Socket[]
  /** Resolves when the command has ended. Rejects with `ERR_LAB_FAILED` if the machine ends before its command. */
  readonly command: Promise<MachineResult>
  /** Resolves when the machine's process has ended and its streams are closed. */
  readonly gone: Promise<void>

  /** @param wire - the end of its wire to machine 0; undefined for machine 0 itself */
  constructor(plan: MachinePlan, script: string, streams: MachineStreams, wire: Socket | undefined) {
    this.#plan = plan
    this.#script = script
    this.#streams = streams
    const wireEnds = wireDescriptors(plan.host, plan.options.hosts)
    const [command = '', ...args] = dyingWithUs([plan.emulator.path, ...emulatorArguments(plan)])
    const child = spawn(command, args, {
      stdio: [
        ...(['ignore', 'ignore', 'pipe'] as const),
        ...(['pipe', 'pipe', 'pipe', 'pipe', 'pipe'] as const),
        streams.terminal === undefined ? 'ignore' : 'pipe',
        ...wireEnds.map(() => wire ?? 'pipe'),
      ],
      env: emulatorEnvironment(plan.emulator),
      // A terminal's Ctrl-C must reach only this process, which then stops the machine.
      detached: true,
    })
    this.#child = child
    this.wires = wire === undefined ? wireEnds.flatMap((descriptor) => this.#socket(descriptor) ?? []) : []
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#noted(text))
    this.#timer = setTimeout(() => this.#fail(`has not started in ${startLimit / 1000} seconds`), startLimit)
    this.command = new Promise((resolve, reject) => {
      this.#resolve = resolve
      child.on('error', (error) => reject(this.#failure(`could not be started: ${error.message}`)))
      child.on('close', () => reject(this.#failure('ended before its command did')))
    })
    this.command.catch(() => {}) // the caller that waits for `command` gets the error
    this.gone = new Promise((resolve) => {
      const end = () => {
        clearTimeout(this.#timer)
        this.#letGo()
        resolve()
      }
      child.on('error', end)
      // At 'close', all streams of the process have been read to their ends.
      child.on('close', end)
    })
    this.#connect()
  }

  /** Kills the machine at once. */
  stop(): void {
    this.#child.kill('SIGKILL')
    for (const wire of this.wires) wire.destroy()
  }

  #socket(descriptor: number): Socket | undefined {
    const stream = this.#child.stdio.at(descriptor)
    return stream instanceof Socket ? stream : undefined // absent if the process could not be started
  }

  #stream(name: Descriptor): Socket | undefined {
    // The other end may be killed at any time. The events of the process report that.
    return this.#socket(descriptorOf(name))?.on('error', () => {})
  }

  #connect(): void {
    this.#stream('log')
      ?.setEncoding('utf8')
      .on('data', (text: string) => this.#noted(text))
    this.#follow(this.#stream('control'))
    const stdin = this.#stream('stdin')?.resume()
    if (this.#streams.stdin === undefined) stdin?.end()
    else if (stdin !== undefined) this.#streams.stdin.pipe(stdin)
    for (const name of ['stdout', 'stderr'] as const) {
      const socket = this.#stream(name)?.on('data', (chunk: Buffer) => {
        this.#received[name] += chunk.length
        this.#settle()
      })
      const target = this.#streams[name]
      if (target !== undefined) socket?.pipe(target, { end: false })
    }
    const terminal = this.#stream('terminal')
    if (this.#streams.terminal !== undefined && terminal !== undefined) this.#lend(this.#streams.terminal, terminal)
  }

  #lend({ input, output, size, onResize }: Terminal, socket: Socket): void {
    input.pipe(socket)
    socket.pipe(output, { end: false })
    const deafen = onResize(() => {
      const { rows, columns } = size()
      if (this.#ready !== undefined) this.#stream('control')?.write(`size ${rows} ${columns}\n`)
    })
    this.#letGo = () => {
      deafen()
      input.unpipe(socket)
    }
  }

  /** Handles the guest's messages, line by line. */
  #follow(control: Socket | undefined): void {
    let text = ''
    control?.setEncoding('utf8').on('data', (more: string) => {
      text += more
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        this.#heard(text.slice(0, end), control)
        text = text.slice(end + 1)
      }
    })
  }

  #heard(line: string, control: Socket): void {
    const [word, ...rest] = line.split(' ')
    if (word === 'ready') {
      clearTimeout(this.#timer)
      this.#ready = performance.now()
      const { rows, columns } = this.#streams.terminal?.size() ?? { rows: 0, columns: 0 }
      control.write(`${this.#mark} ${rows} ${columns}\n${this.#script}${this.#mark}\n`)
    } else if (word === 'failed') {
      this.#fail(rest.join(' '))
    } else if (word === 'exit') {
      const [status = 1, stdout = 0, stderr = 0] = rest.map(Number)
      this.#announced = { status, stdout, stderr }
      this.#settle()
    }
  }

  /** Settles `command` when the status of the command and all of its output are here. */
  #settle(): void {
    if (this.#announced === undefined || this.#ready === undefined) return
    const { status, stdout, stderr } = this.#announced
    if (this.#received.stdout < stdout || this.#received.stderr < stderr) return
    const startSeconds = (this.#ready - this.#begun) / 1000
    const seconds = (performance.now() - this.#ready) / 1000
    this.#resolve({ status, startSeconds, seconds })
  }

  #noted(text: string): void {
    this.#log = (this.#log + text).slice(-mostLog)
    this.#streams.console?.write(text)
  }

  #fail(complaint: string): void {
    this.#complaint ??= complaint
    this.stop()
  }

  #failure(what: string): PinfoldError {
    const log = this.#log.trim().split('\n').slice(-12).join('\n')
    return new PinfoldError(
      `lab: the machine ${this.#complaint ?? what}${log === '' ? '' : `; its last output was:\n${log}`}`,
      {
        code: 'ERR_LAB_FAILED',
        values: { host: this.#plan.host, log },
      },
    )
  }
}
