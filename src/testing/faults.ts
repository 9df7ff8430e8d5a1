import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'
import * as z from 'zod/mini'
import { disposeBy } from '../disposal.js'
import { PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { checked, later, optionsOf } from '../options.js'
import type { DeviceCalls } from '../rdma/contract/device-calls.js'
import { whole } from '../rdma/contract/number-options.js'
import type { Device } from '../rdma/device.js'
import { callsOf } from '../rdma/device-object.js'
import { deviceObject } from '../rdma/object-checks.js'
import { explainRefusal } from '../rdma/verbs/refusal.js'
import { replaceCalls } from './replaced-calls.js'
import { allVerbNames, closingVerbNames, type VerbName, verbNames } from './verb-names.js'

const mostErrno = 4095 // include/linux/err.h, MAX_ERRNO
const errnoNames: ReadonlyMap<string, number> = new Map(Object.entries(constants.errno))

const faultOptions = later(() =>
  optionsOf<FaultOptions>()({
    nth: z.optional(whole(1, 2 ** 31 - 1)),
    errno: z.optional(
      z.union([whole(1, mostErrno), z.string().check(z.refine((name) => errnoNames.has(name)))], {
        error: `expected the name of an error such as 'ENOMEM', or its number`,
      }),
    ),
  }),
)
const injectOptions = later(() =>
  optionsOf<InjectOptions>()({ device: z.optional(deviceObject('device')), noOp: z.optional(z.boolean()) }),
)
const verbArgument = later(() =>
  z.enum(allVerbNames, { error: "expected the name of a function of libibverbs such as 'ibv_reg_mr'" }),
)

/** The options of `failNext`. */
export interface FaultOptions {
  /** Which call fails; 1 is the next. Default: 1. */
  readonly nth?: number | undefined
  /** Its error: a name ('ENOMEM') or a number of errno(3). Default: 'EINVAL'. */
  readonly errno?: string | number | undefined
}

/** The options of `injectFaults`. */
export interface InjectOptions {
  /** Only calls of this open device fail, and are counted: a real one, or the loopback. Default: see `injectFaults`. */
  readonly device?: Device | undefined
  /**
   * Without `device`: whether the only real device is 'noop0' meanwhile, which takes every call and does nothing. So code for
   * real devices runs on a machine without any. Default: false.
   */
  readonly noOp?: boolean | undefined
}

/** What makes calls fail, and counts them. */
interface Injector {
  inject(verb: VerbName, nth: number, errno: number): void
  calls(): Readonly<Record<string, number>>
  end(): void
}

/** Makes calls of libibverbs fail on demand, until its block ends: `using faults = injectFaults()`. */
export class FaultInjection {
  readonly #injector: Injector
  #isOver = false

  /** @internal Made by `injectFaults()`. */
  constructor(injector: Injector) {
    this.#injector = injector
  }

  /**
   * Makes one call fail: the next, or the `nth` from now on. One fault waits at a time; a new one replaces it.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`, also for a function that an open device does not call, and after the end
   */
  failNext(verb: VerbName, options: FaultOptions = {}): void {
    checked('failNext', verbArgument, verb)
    const { nth = 1, errno = 'EINVAL' } = checked('failNext', faultOptions, options)
    this.#requireOpen('failNext')
    this.#injector.inject(
      verb,
      nth,
      typeof errno === 'number' ? errno : (errnoNames.get(errno) ?? constants.errno.EINVAL),
    )
  }

  /**
   * The calls so far, by the name of the function. A registration counts as `ibv_reg_mr`. Without `device`, the calls that wait
   * for events are among them, which come at any time.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` after the end
   */
  calls(): Readonly<Record<string, number>> {
    this.#requireOpen('calls')
    return this.#injector.calls()
  }

  /** Ends it: a fault that still waits is dropped. A second call does nothing. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#injector.end()
  }

  [Symbol.dispose](): void {
    disposeBy(() => this.end())
  }

  #requireOpen(subject: string): void {
    if (!this.#isOver) return
    throw new PinfoldError(`${subject}: this injection of faults has ended`, { code: 'ERR_INVALID_ARGUMENT' })
  }
}

/** Whether this thread has an injection into the library itself. */
let isLibraryTaken = false

/**
 * Begins to inject faults. With `device`, into the calls of that device alone. Without, into libibverbs itself: into all calls
 * for real devices that are opened from now on, in all threads of the process, also `ibv_open_device`.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, also if this thread has begun one without `device` and not ended it;
 *   `ERR_OBJECT_CLOSED`
 */
export function injectFaults(options: InjectOptions = {}): FaultInjection {
  const { device, noOp = false } = checked('injectFaults', injectOptions, options)
  if (device !== undefined) {
    device.requireOpen('injectFaults')
    return new FaultInjection(new DeviceFaults(callsOf(device)))
  }
  if (isLibraryTaken) {
    throw new PinfoldError('injectFaults: this thread injects faults into libibverbs already: end() that first', {
      code: 'ERR_INVALID_ARGUMENT',
    })
  }
  return new FaultInjection(libraryFaults(noOp))
}

function libraryFaults(noOp: boolean): Injector {
  const { test } = native.verbs
  test.choose(noOp, true)
  isLibraryTaken = true
  return {
    inject: (verb, nth, errno) => test.inject(verb, nth, errno),
    calls() {
      const { ibv_reg_mr_iova2: elsewhere = 0, ibv_reg_mr: own = 0, ...others } = test.calls()
      return elsewhere + own === 0 ? others : { ...others, ibv_reg_mr: elsewhere + own }
    },
    end() {
      test.clear()
      test.choose(false, false)
      isLibraryTaken = false
    },
  }
}

/** Faults in the calls of one device, whoever implements it. */
class DeviceFaults implements Injector {
  readonly end: () => void
  readonly #calls = new Map<string, number>()
  #fault: { readonly verb: VerbName; left: number; readonly errno: number } | undefined

  constructor(calls: DeviceCalls) {
    this.end = replaceCalls(calls, (before) => this.#faulty(before))
  }

  inject(verb: VerbName, nth: number, errno: number): void {
    if (!names.some(([, known]) => known === verb)) {
      throw new PinfoldError(
        `failNext: an open device makes no call of ${verb}: injectFaults() without 'device' does`,
        {
          code: 'ERR_INVALID_ARGUMENT',
          values: { verb },
        },
      )
    }
    this.#fault = { verb, left: nth, errno }
  }

  calls(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#calls)
  }

  #faulty(before: DeviceCalls): Partial<DeviceCalls> {
    return Object.fromEntries(
      names.map(([name, verb]) => {
        const call = (...given: readonly unknown[]): unknown => {
          const failure = this.#next(verb)
          if (failure === undefined) return Reflect.apply(Reflect.get(before, name), undefined, given)
          if (name === 'registerAsync') return Promise.reject(failure)
          throw failure
        }
        return [name, call]
      }),
    )
  }

  #next(verb: VerbName): PinfoldError | undefined {
    this.#calls.set(verb, (this.#calls.get(verb) ?? 0) + 1)
    const fault = this.#fault
    if (fault?.verb !== verb) return undefined
    fault.left -= 1
    if (fault.left > 0) return undefined
    this.#fault = undefined
    return explainRefusal(systemFailure(verb, fault.errno), {})
  }
}

const names = Object.entries({ ...verbNames, ...closingVerbNames })

/** An error as native code throws it. */
function systemFailure(verb: VerbName, errno: number): Error {
  const [name, text] = getSystemErrorMap().get(-errno) ?? [`error ${errno}`, 'an error without a name']
  const values = verb.startsWith('ibv_post_') ? { posted: 0 } : {}
  return Object.assign(new Error(`${verb}: ${name}: ${text}`), { syscall: verb, errno, values })
}
