import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject } from '../options.js'
import { describe } from '../sizes.js'
import { Burst } from './burst.js'
import { joined, longestMessage } from './coalescing.js'
import { requestOpcodes, sendFlags } from './contract/operations.js'
import { sendHeaderWords, sendStride, sendWord } from './contract/work-layout.js'
import { callsOf, type DeviceInternals, handleOf, internalsOf } from './device-object.js'
import { plainRequest } from './plain-request.js'
import type { QueuePair } from './queue-pair.js'
import { isRegistration } from './registration.js'
import { isRegistrationSlice, type WorkMemory, writeSlice } from './registration-slice.js'
import {
  aim,
  isRemoteMemory,
  isRemoteSlice,
  type RemoteMemory,
  type RemoteSlice,
  writeTarget,
} from './remote-memory.js'
import { noMemory, type ScatterTarget, writeEntries, writeFirst } from './scatter-entries.js'
import { flagsOf, type SendRequest, sendRequest } from './send-request.js'
import { type CheckedSeries, checkedSeries, requirePieces, type Series, writePieces } from './series.js'
import { requireSame, StagedWindows } from './staged-windows.js'
import { type StallAfter, stallAfterOption, stallLimit } from './stall-limit.js'
import type { Tracker } from './tracked-requests.js'

const startOptions = later(() => optionsObject({ stallAfter: z.optional(stallAfterOption) }))
const opcodes = requestOpcodes.byName
const everyFlag = Object.values(sendFlags).reduce((all, flag) => all | flag, 0)

/** Options of `queuePair.createBatch()`. */
export interface SendBatchOptions {
  readonly capacity?: number | undefined
  readonly coalesce?: boolean | undefined
}

/**
 * A batch of send requests. Each method writes one request into a typed array, and `post()` hands all of them to the device
 * in one call. `queuePair.post()` does both for requests that are objects.
 */
export class SendBatch {
  /** The most requests of one batch. */
  readonly capacity: number
  readonly #queuePair: QueuePair
  readonly #internals: DeviceInternals
  readonly #words: Uint32Array
  /** Scatter entries of one request. */
  readonly #most: number
  readonly #stride: number
  readonly #entries: ScatterTarget
  readonly #windows: StagedWindows
  /** The most bytes of requests that are joined; 0 if none are. */
  readonly #longest: number
  #staged = 0
  #coalesced = 0

  /** Made by the queue pair: `queuePair.sends`. */
  constructor(queuePair: QueuePair, options: SendBatchOptions = {}) {
    const { capacity = queuePair.capacity.sendRequests, coalesce = false } = options
    const { sendEntries } = queuePair.capacity
    this.#queuePair = queuePair
    this.capacity = capacity
    this.#internals = internalsOf(queuePair)
    this.#most = sendEntries
    this.#stride = sendStride(sendEntries)
    this.#longest = coalesce ? longestMessage(queuePair) : 0
    // One more: a request that joins the one before it is written there first.
    this.#words = new Uint32Array((this.capacity + 1) * this.#stride)
    this.#windows = new StagedWindows(queuePair, this.#words)
    this.#entries = {
      subject: 'post',
      device: queuePair.device,
      internals: this.#internals,
      words: this.#words,
      most: sendEntries,
    }
  }

  /** The number of requests in the batch. */
  get staged(): number {
    return this.#staged
  }

  /** The number of requests that joined the one before them, since the batch was made. */
  get coalesced(): number {
    return this.#coalesced
  }

  /** @throws PinfoldError `ERR_QUEUE_FULL`, and as `queuePair.post`; the batch stays as it was */
  send(memory: WorkMemory | readonly WorkMemory[], id = 0, flags: number = sendFlags.signaled): this {
    const at = this.#begin(opcodes.send, id, flags)
    this.#gather(at, memory)
    return this.#stage()
  }

  /** @throws PinfoldError as `send` */
  write(
    memory: WorkMemory | readonly WorkMemory[],
    remote: RemoteSlice | RemoteMemory,
    id = 0,
    flags: number = sendFlags.signaled,
  ): this {
    return this.#oneSided(opcodes.write, memory, remote, id, flags)
  }

  /** @throws PinfoldError as `send` */
  read(
    memory: WorkMemory | readonly WorkMemory[],
    remote: RemoteSlice | RemoteMemory,
    id = 0,
    flags: number = sendFlags.signaled,
  ): this {
    return this.#oneSided(opcodes.read, memory, remote, id, flags)
  }

  /**
   * Writes a series of equal pieces: piece `i` is the bytes at `i * step` of `memory`, and goes to `i * step` of `remote`. The
   * last piece alone makes a completion, unless `signaled` says otherwise.
   *
   * @throws PinfoldError as `send`; `ERR_OUT_OF_RANGE` when a piece does not lie in both memories. The batch stays as it was
   */
  writeSeries(memory: WorkMemory, remote: RemoteSlice | RemoteMemory, series: Series): this {
    return this.#series('writeSeries', opcodes.write, memory, remote, series)
  }

  /** As `writeSeries`, in the other direction. @throws PinfoldError as `writeSeries` */
  readSeries(memory: WorkMemory, remote: RemoteSlice | RemoteMemory, series: Series): this {
    return this.#series('readSeries', opcodes.read, memory, remote, series)
  }

  /** Any request, as an object. @throws PinfoldError as `send` */
  add(request: SendRequest): this {
    return this.addAs('add', request)
  }

  /** @internal As `add`, for another call. */
  addAs(subject: string, request: SendRequest): this {
    const plain = plainRequest(request)
    if (plain === undefined) this.#addUnderstood(checked(subject, sendRequest, request))
    else if (plain.remote === undefined) this.send(plain.memory, plain.id, plain.flags)
    else this.#oneSided(opcodes[plain.operation], plain.memory, plain.remote, plain.id, plain.flags)
    return this
  }

  /** A request whose types were checked. */
  #addUnderstood(request: SendRequest): void {
    const { operation, id = 0 } = request
    const at = this.#begin(opcodes[operation], id, flagsOf(request))
    if ('memory' in request && operation !== 'bind' && request.memory !== undefined) this.#gather(at, request.memory)
    if ('remote' in request) this.#aim(at, request.remote)
    if ('immediate' in request) this.#words[at + sendWord.immediate] = request.immediate
    if ('to' in request && request.to !== undefined) this.#address(at, request.to)
    switch (request.operation) {
      case 'sendWithInvalidate':
        this.#words[at + sendWord.immediate] = request.rkey
        break
      case 'compareAndSwap':
        this.#write64(at + sendWord.compareAdd, request.compare)
        this.#write64(at + sendWord.swap, request.swap)
        break
      case 'fetchAndAdd':
        this.#write64(at + sendWord.compareAdd, request.add)
        break
      case 'invalidate':
        this.#windows.invalidate(at, this.#staged, request.target)
        break
      case 'bind':
        this.#windows.bind(at, this.#staged, request)
        break
    }
    this.#stage()
  }

  /**
   * As `post`, with a handle that tells how far the requests are, and that can cancel them. The library takes their
   * completions from the completion queue, so the program does not see them. The last request is signaled in any case.
   *
   * @param options `stallAfter`: milliseconds after which a burst that is not finished has stalled. Default: 'never'
   * @throws PinfoldError as `post`, if no request was posted. If the device took only some, the burst has the error
   */
  start(options: { readonly stallAfter?: StallAfter | undefined } = {}): Burst {
    const { stallAfter = 'never' } = checked('start', startOptions, options)
    const limit = stallLimit(stallAfter)
    const posted = this.#staged
    const burst = new Burst({ queuePair: this.#queuePair, posted, ids: this.ids(), stallAfter: limit.milliseconds })
    if (posted === 0) return burst
    try {
      this.postTracked(Burst.trackerOf(burst, limit.at))
    } catch (error) {
      const taken = postedBefore(error)
      if (taken === 0 || !(error instanceof PinfoldError)) throw error
      Burst.refused(burst, taken, error)
    }
    return burst
  }

  /** @internal The ids of the requests in the batch. */
  ids(): Float64Array {
    const words = this.#words
    const at = (index: number) => index * this.#stride + sendWord.id
    return Float64Array.from(
      { length: this.#staged },
      (_, index) => (words[at(index)] ?? 0) + (words[at(index) + 1] ?? 0) * 2 ** 32,
    )
  }

  /**
   * @internal Posts the batch, whose requests `tracker` follows from now on.
   *
   * @throws PinfoldError as `post`. If no request was posted, the tracker is forgotten
   */
  postTracked(tracker: Tracker): void {
    const { watch } = this.#queuePair.sendQueue
    const words = this.#words
    const high = watch.add(tracker, true)
    const last = (this.#staged - 1) * this.#stride
    for (let at = 0, index = 0; at <= last; at += this.#stride, index++) {
      words[at + sendWord.id] = index
      words[at + sendWord.id + 1] = high
    }
    words[last + sendWord.flags] = (words[last + sendWord.flags] ?? 0) | sendFlags.signaled
    try {
      this.post()
    } catch (error) {
      if (postedBefore(error) === 0) watch.remove(high)
      throw error
    } finally {
      watch.start(tracker)
    }
  }

  /** Empties the batch without posting it. */
  clear(): void {
    this.#staged = 0
    this.#windows.clear()
  }

  /**
   * Hands the batch to the device, in one call. The batch is empty afterwards, also when the device refused it.
   *
   * @returns the number of requests that were posted
   * @throws PinfoldError as `queuePair.post`; the `values.posted` requests before the refused one are under way
   */
  post(): number {
    const staged = this.#staged
    const windows = this.#windows.take()
    this.clear()
    if (staged === 0) return 0
    this.#queuePair.requireSending('post')
    let posted = staged
    try {
      callsOf(this.#queuePair).postSend(handleOf(this.#queuePair), this.#words, this.#stride, staged)
    } catch (error) {
      posted = postedBefore(error)
      throw error
    } finally {
      for (const { window, bound, isZeroBased, index } of windows) {
        if (index < posted) window.posted(bound, isZeroBased, this.#queuePair)
      }
    }
    return staged
  }

  /**
   * The most common requests. It is one flat function, since V8 inlines only so much code into a loop: with a function for
   * each step, a write took 27 ns, and now 11.
   */
  #oneSided(
    opcode: number,
    memory: WorkMemory | readonly WorkMemory[],
    remote: RemoteSlice | RemoteMemory,
    id: number,
    flags: number,
  ): this {
    const staged = this.#staged
    const words = this.#words
    const at = staged * this.#stride
    if (this.#longest > 0 && words[at + sendWord.opcode] !== opcode) clearHeader(words, at, opcode)
    const isPlain =
      (staged < this.capacity || this.#longest > 0) &&
      words[at + sendWord.opcode] === opcode &&
      isRegistrationSlice(memory) &&
      isRemoteSlice(remote) &&
      Number.isSafeInteger(id) &&
      id >= 0 &&
      Number.isInteger(flags) &&
      (flags & everyFlag) === flags &&
      this.#most > 0 &&
      writeSlice(memory, this.#internals, words, at + sendHeaderWords)
    if (!isPlain) return this.#general(opcode, memory, remote, id, flags)
    writeTarget(remote, words, at)
    words[at + sendWord.id] = id
    words[at + sendWord.id + 1] = id < 2 ** 32 ? 0 : id / 2 ** 32
    words[at + sendWord.flags] = flags
    words[at + sendWord.entries] = 1
    return this.#stage()
  }

  /** As `#oneSided`, for any memory; it finds out what is wrong. */
  #general(
    opcode: number,
    memory: WorkMemory | readonly WorkMemory[],
    remote: RemoteSlice | RemoteMemory,
    id: number,
    flags: number,
  ): this {
    const at = this.#begin(opcode, id, flags)
    this.#gather(at, memory)
    this.#aim(at, remote)
    return this.#stage()
  }

  #series(
    subject: string,
    opcode: number,
    memory: WorkMemory,
    remote: RemoteSlice | RemoteMemory,
    given: Series,
  ): this {
    const series = checkedSeries(subject, given)
    const first = this.#staged
    if (!isRegistrationSlice(memory) && !isRegistration(memory)) throw noMemory(subject, memory)
    if (!isRemoteSlice(remote) && !isRemoteMemory(remote)) throw noRemote(remote)
    requirePieces(`${subject}: memory`, series, memory.length)
    requirePieces(`${subject}: remote`, series, remote.length)
    if (this.#longest >= series.length && series.signaled !== 'all' && series.step === series.length) {
      return this.#joinedSeries(opcode, memory, remote, series)
    }
    if (series.count > this.capacity - first) throw this.#full(opcode, series.count)
    const words = this.#words
    const at = this.#begin(opcode, series.id, 0)
    // The checks of all pieces are those of the first, and that of the span.
    writeFirst(this.#entries, at + sendHeaderWords, memory, series.length)
    aim(remote, words, at)
    const stride = this.#stride
    for (let next = at + stride; next < at + series.count * stride; next += stride) {
      if (words[next + sendWord.opcode] !== opcode) clearHeader(words, next, opcode)
    }
    writePieces(words, at, stride, series)
    this.#staged = first + series.count
    return this
  }

  /** A series whose pieces are neighbours becomes requests that are as long as a message may be. */
  #joinedSeries(opcode: number, memory: WorkMemory, remote: RemoteSlice | RemoteMemory, series: CheckedSeries): this {
    const { id, count, length, signaled } = series
    const pieces = Math.floor(this.#longest / length)
    const requests = Math.ceil(count / pieces)
    if (requests > this.capacity - this.#staged && !(requests === 1 && this.#staged > 0))
      throw this.#full(opcode, requests)
    for (let first = 0; first < count; first += pieces) {
      const last = Math.min(first + pieces, count) - 1
      const range = [first * length, (last + 1 - first) * length] as const
      const flags = signaled === 'last' && last === count - 1 ? sendFlags.signaled : 0
      this.#oneSided(opcode, memory.slice(...range), remote.slice(...range), id + last, flags)
      this.#coalesced += last - first
    }
    return this
  }

  /** Starts a request. It counts only once it is staged, so an error in between leaves the batch as it was. */
  #begin(opcode: number, id: number, flags: number): number {
    const staged = this.#staged
    const isRoom = staged < this.capacity || (this.#longest > 0 && isOneSided(opcode))
    if (!isRoom) throw this.#full(opcode)
    if (!(Number.isSafeInteger(id) && id >= 0)) throw wrongId(opcode, id)
    if (!(Number.isInteger(flags) && (flags & everyFlag) === flags)) throw wrongFlags(opcode, flags)
    const words = this.#words
    const at = staged * this.#stride
    // Writes and reads use the same words each time.
    if (words[at + sendWord.opcode] !== opcode || !isOneSided(opcode)) {
      clearHeader(words, at, opcode)
    }
    words[at + sendWord.id] = id
    words[at + sendWord.id + 1] = id < 2 ** 32 ? 0 : id / 2 ** 32
    words[at + sendWord.flags] = flags
    return at
  }

  #full(opcode: number, count = 1): PinfoldError {
    const capacity = this.capacity
    const staged = this.#staged
    const why =
      count === 1
        ? `the batch is full with ${capacity} requests`
        : `the batch has ${staged} of ${capacity} requests, and no room for ${count}`
    return new PinfoldError(`${requestOpcodes.nameOf(opcode)}: ${why}`, {
      code: 'ERR_QUEUE_FULL',
      values: { capacity, staged, count },
      hint: 'call post() or clear() first',
    })
  }

  /** The request counts from now on, or becomes a part of the one before it. */
  #stage(): this {
    if (this.#longest > 0 && this.#joins()) return this
    this.#staged++
    return this
  }

  #joins(): boolean {
    const at = this.#staged * this.#stride
    if (this.#staged > 0 && joined(this.#words, at - this.#stride, at, this.#longest)) {
      this.#coalesced += 1
      return true
    }
    if (this.#staged === this.capacity) throw this.#full(this.#words[at + sendWord.opcode] ?? 0)
    return false
  }

  #gather(at: number, memory: WorkMemory | readonly WorkMemory[]): void {
    this.#words[at + sendWord.entries] = writeEntries(this.#entries, at + sendHeaderWords, memory)
  }

  #aim(at: number, remote: RemoteSlice | RemoteMemory): void {
    if (!isRemoteSlice(remote) && !isRemoteMemory(remote)) throw noRemote(remote)
    aim(remote, this.#words, at)
  }

  #address(at: number, to: NonNullable<Extract<SendRequest, { operation: 'send' }>['to']>): void {
    to.addressHandle.requireOpen('post')
    requireSame(this.#queuePair, to.addressHandle)
    this.#words[at + sendWord.addressHandle] = handleOf(to.addressHandle)
    this.#words[at + sendWord.remoteQueuePair] = to.queuePair
    this.#words[at + sendWord.remoteKey] = to.queueKey
  }

  #write64(at: number, value: bigint): void {
    this.#words[at] = Number(value & 0xffff_ffffn)
    this.#words[at + 1] = Number(value >> 32n)
  }
}

/** @deprecated Use {@link SendBatch}, of which this is the former name. */
export type SendRing = SendBatch

/** Requests that were posted before the one that was refused. */
function postedBefore(error: unknown): number {
  return error instanceof PinfoldError && typeof error.values.posted === 'number' ? error.values.posted : 0
}

function noRemote(received: unknown): PinfoldError {
  return new PinfoldError(`post: remote: expected a RemoteMemory or a RemoteSlice, received ${describe(received)}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received },
  })
}

/** The words of a request of another operation may contain more. (A loop, since a call of fill() takes longer.) */
function clearHeader(words: Uint32Array, at: number, opcode: number): void {
  for (let word = at; word < at + sendHeaderWords; word++) words[word] = 0
  words[at + sendWord.opcode] = opcode
}

function wrongId(opcode: number, id: unknown): PinfoldError {
  const message = `${requestOpcodes.nameOf(opcode)}: id: expected a whole number, received ${describe(id)}`
  return new PinfoldError(message, { code: 'ERR_INVALID_ARGUMENT', values: { id } })
}

function wrongFlags(opcode: number, flags: unknown): PinfoldError {
  const message = `${requestOpcodes.nameOf(opcode)}: flags: expected bits of sendFlags, received ${describe(flags)}`
  return new PinfoldError(message, { code: 'ERR_INVALID_ARGUMENT', values: { flags } })
}

function isOneSided(opcode: number): boolean {
  return opcode === opcodes.write || opcode === opcodes.read
}
