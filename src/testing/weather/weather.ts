import { constants } from 'node:os'
import { disposeBy } from '../../disposal.js'
import { PinfoldError } from '../../errors.js'
import { checked, later } from '../../options.js'
import { eventTypes } from '../../rdma/contract/async-events.js'
import type { DeviceCalls } from '../../rdma/contract/device-calls.js'
import { whole } from '../../rdma/contract/number-options.js'
import { queuePairStates } from '../../rdma/contract/states.js'
import type { Device } from '../../rdma/device.js'
import { callsOf } from '../../rdma/device-object.js'
import type { LoopbackContext } from '../../rdma/loopback/context.js'
import { loopbackContextOf } from '../../rdma/loopback/device.js'
import { refusal } from '../../rdma/loopback/refusal.js'
import { resume } from '../../rdma/loopback/send-queue.js'
import { wire } from '../../rdma/loopback/wire.js'
import { deviceObject } from '../../rdma/object-checks.js'
import { replaceCalls } from '../replaced-calls.js'
import { verbNames } from '../verb-names.js'
import { Dice, throwOf } from './dice.js'
import { WeatherLog, type WeatherNote } from './log.js'
import { rangeOf, type WeatherOptions, weatherOptions } from './plan.js'
import { StormySends } from './sends.js'
import { Turns } from './turns.js'

const { EIO, ENOMEM } = constants.errno
const { PORT_ERR, PORT_ACTIVE, DEVICE_FATAL } = eventTypes.byName
const deviceArgument = deviceObject('device')
const turnsArgument = later(() => whole(1, 1_000_000))
/** The physical state of a port that is switched off: Disabled (IBTA 14.2.5.6). */
const disabled = 3

/** The devices that have bad weather now. */
const stormy = new WeakSet<LoopbackContext>()
/** The devices that have failed, which they stay. */
const failed = new WeakSet<LoopbackContext>()

/** Bad weather on a loopback device. It ends with its block: `using storm = weather(device, …)`. */
export class Weather {
  readonly #context: LoopbackContext
  readonly #calls: DeviceCalls
  readonly #calmDown: () => void
  readonly #turns = new Turns()
  readonly #log = new WeatherLog()
  readonly #options: WeatherOptions
  #keysLeft: number
  #isPortDown = false
  /** How often the port went down: only the newest flap brings it back. */
  #flaps = 0
  #isRemoved = false
  #isOver = false
  /** The planned flap and the planned failure of the device have not yet come. */
  #isFlapAhead: boolean
  #isRemovalAhead: boolean

  /** @internal Made by `weather()`. */
  constructor(calls: DeviceCalls, context: LoopbackContext, options: WeatherOptions) {
    this.#calls = calls
    this.#context = context
    this.#options = options
    this.#keysLeft = options.keys ?? Number.POSITIVE_INFINITY
    this.#isFlapAhead = options.portDown !== undefined
    this.#isRemovalAhead = options.removal !== undefined
    const dice = new Dice(options.seed ?? 1)
    this.#calmDown = replaceCalls(calls, (calm) => this.#changed(calm, dice))
  }

  /** What has happened so far, oldest first; the newest 4,096 notes or more are kept. */
  get log(): WeatherNote[] {
    return this.#log.notes()
  }

  /** Turns of the event loop in which something waited, since the weather began. */
  get turn(): number {
    return this.#turns.now
  }

  /**
   * Takes the port down (PORT_ERR): what the device sends is lost. It comes back after so many turns; without a number, by
   * `portUp()`. Does nothing while the port is down, or the weather is over.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`
   */
  portDown(turns?: number): void {
    const back = turns === undefined ? undefined : checked('portDown: turns', turnsArgument, turns)
    if (this.#isPortDown || this.#isOver || this.#isRemoved) return
    this.#isPortDown = true
    this.#flaps += 1
    const flap = this.#flaps
    this.#log.add(this.#turns.now, 'port down')
    this.#context.tell(PORT_ERR, 1)
    if (back === undefined) return
    this.#turns.after(back, () => {
      if (flap === this.#flaps) this.portUp()
    })
  }

  /** Brings the port back (PORT_ACTIVE). Does nothing while the port is up. */
  portUp(): void {
    if (!this.#isPortDown || this.#isRemoved) return
    this.#isPortDown = false
    this.#log.add(this.#turns.now, 'port up')
    this.#context.tell(PORT_ACTIVE, 1)
  }

  /**
   * The device fails (DEVICE_FATAL), as if it were pulled out: calls throw ERR_DEVICE_REMOVED, requests do not end, and peers
   * get no answer. Objects can still be closed. The device stays so, also when the weather is over. Does nothing then.
   */
  removeDevice(): void {
    if (this.#isRemoved || this.#isOver) return
    this.#isRemoved = true
    failed.add(this.#context)
    this.#log.add(this.#turns.now, 'removed')
    replaceCalls(this.#calls, removedCalls)
    for (const queuePair of this.#context.queuePairs) wire.unplug(queuePair)
    this.#context.tell(DEVICE_FATAL, 0)
  }

  /**
   * Ends the weather: requests that were under way, or stalled, are carried out now, and the port comes back. A second call
   * does nothing.
   */
  end(): void {
    if (this.#isOver) return
    this.portUp()
    this.#isOver = true
    stormy.delete(this.#context)
    if (!this.#isRemoved) {
      this.#context.gate = undefined
      this.#calmDown()
    }
    this.#turns.end()
    for (const queuePair of this.#isRemoved ? [] : [...this.#context.queuePairs]) resume(queuePair)
  }

  [Symbol.dispose](): void {
    disposeBy(() => this.end())
  }

  #changed(calm: DeviceCalls, dice: Dice): Partial<DeviceCalls> {
    const context = this.#context
    const weather = this
    const sends = new StormySends(dice, this.#turns, this.#log, this.#options, {
      before: (request) => this.#before(request),
      get isPortDown() {
        return weather.#isPortDown
      },
      get isRemoved() {
        return weather.#isRemoved
      },
    })
    context.gate = (queuePair, first) => sends.gate(queuePair, first)
    return {
      postSend: (handle, words, stride, count) => {
        const queuePair = context.queuePairs.get('ibv_post_send', handle)
        if (queuePair.remote === undefined) sends.post(queuePair, words, stride, count)
        // Its packets go through the network of the loopbacks, which asks no gate.
        else calm.postSend(handle, words, stride, count)
      },
      modifyQueuePair: (handle, change) => {
        if (change.state === queuePairStates.byName.SQD) sends.hurry(context.queuePairs.get('ibv_modify_qp', handle))
        calm.modifyQueuePair(handle, change)
      },
      queryPort: (port) => {
        const attributes = calm.queryPort(port)
        return this.#isPortDown ? { ...attributes, state: 'DOWN', physicalState: disabled } : attributes
      },
      ...this.#registrations(calm, dice),
    }
  }

  /** The calls that take a key, or give one back. */
  #registrations(calm: DeviceCalls, dice: Dice): Partial<DeviceCalls> {
    const slow = rangeOf(this.#options.slowRegistration)
    let registered = 0
    const keyed = <Arguments extends readonly unknown[], Result>(
      verb: string,
      call: (...given: Arguments) => Result,
    ): ((...given: Arguments) => Result) => {
      return (...given) => {
        if (this.#keysLeft <= 0) throw this.#noKeys(verb)
        const result = call(...given)
        this.#keysLeft -= 1
        return result
      }
    }
    const register = keyed('ibv_reg_mr', calm.register)
    const giveBack = (call: (handle: number) => void) => (handle: number) => {
      call(handle)
      this.#keysLeft += 1
    }
    return {
      register,
      registerAsync: async (domain, memory, address, access) => {
        const turns = dice.between(slow.least, slow.most, throwOf.slowRegistration, registered++)
        if (turns > 0) await new Promise<void>((resolve) => this.#turns.after(turns, resolve))
        if (this.#isRemoved) throw removed('ibv_reg_mr')
        return register(domain, memory, address, access)
      },
      registerImplicit: keyed('ibv_reg_mr', calm.registerImplicit),
      cover: keyed('ibv_reg_mr', calm.cover),
      registerNull: keyed('ibv_alloc_null_mr', calm.registerNull),
      registerDeviceMemory: keyed('ibv_reg_dm_mr', calm.registerDeviceMemory),
      allocateWindow: keyed('ibv_alloc_mw', calm.allocateWindow),
      deregister: giveBack(calm.deregister),
      freeWindow: giveBack(calm.freeWindow),
    }
  }

  #noKeys(verb: string): PinfoldError {
    this.#log.add(this.#turns.now, 'no keys')
    const { keys } = this.#options
    return refusal(verb, 'no keys are left (bad weather)', { keys }, 'ERR_DEVICE_REFUSED', ENOMEM)
  }

  /** What was planned for the moment before this request is carried out. */
  #before(request: number): void {
    const { portDown, removal } = this.#options
    if (this.#isFlapAhead && portDown !== undefined && request >= portDown.after) {
      this.#isFlapAhead = false
      this.portDown(portDown.turns === 0 ? 1 : portDown.turns)
    }
    if (this.#isRemovalAhead && removal !== undefined && request >= removal.after) {
      this.#isRemovalAhead = false
      this.removeDevice()
    }
  }
}

/** The calls of a device that is gone: all are refused but those that close objects, and the device itself. */
function removedCalls(): Partial<DeviceCalls> {
  const calls = Object.entries(verbNames).map(([name, verb]) => [
    name,
    () => {
      throw removed(verb)
    },
  ])
  return {
    ...Object.fromEntries(calls),
    registerAsync: async () => {
      throw removed('ibv_reg_mr')
    },
  }
}

function removed(verb: string): PinfoldError {
  return refusal(verb, 'the device was removed (bad weather)', {}, 'ERR_DEVICE_REMOVED', EIO)
}

/**
 * Makes bad weather on a loopback device, for everything that is posted or registered on it from now on. Time is counted in
 * turns of the event loop, and chance comes from the seed: the same program meets the same weather each time.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, also if the device has bad weather already; `ERR_OBJECT_CLOSED`;
 *   `ERR_UNSUPPORTED` for a real device; `ERR_DEVICE_REMOVED` after an earlier weather has removed the device
 */
export function weather(device: Device, options: WeatherOptions = {}): Weather {
  checked('weather: device', deviceArgument, device)
  const given = checked('weather', weatherOptions, options)
  device.requireOpen('weather')
  const calls = callsOf(device)
  const context = loopbackContextOf(calls)
  if (context === undefined) {
    throw new PinfoldError(`weather: ${device.label} is a real device, and only the loopback has weather`, {
      code: 'ERR_UNSUPPORTED',
      values: { device: device.name, kind: device.kind },
      hint: 'openDevice({ loopback: true })',
    })
  }
  if (stormy.has(context)) {
    throw new PinfoldError(`weather: ${device.label} has bad weather already: end() it first`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { device: device.name },
    })
  }
  if (failed.has(context)) {
    throw new PinfoldError(`weather: ${device.label} was removed by an earlier weather`, {
      code: 'ERR_DEVICE_REMOVED',
      values: { device: device.name },
      hint: 'open another device',
    })
  }
  stormy.add(context)
  return new Weather(calls, context, given)
}
