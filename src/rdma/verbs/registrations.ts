import { jobs } from '../../memory/job-queue.js'
import { native } from '../../native.js'
import type { DeviceCalls, RegisteredKeys } from '../contract/device-calls.js'
import { deviceAttributes } from './attributes.js'
import { type OpenContext, rangeArguments } from './open-context.js'
import { attempted, explainRefusal } from './refusal.js'

type RegistrationCalls = Pick<
  DeviceCalls,
  | 'register'
  | 'registerAsync'
  | 'reregister'
  | 'registerImplicit'
  | 'cover'
  | 'registerNull'
  | 'registerDmabuf'
  | 'registerDeviceMemory'
  | 'deregister'
  | 'advise'
>

export function registrationCalls(context: OpenContext): RegistrationCalls {
  const { verbs } = native
  const { keys } = context
  const made = (call: () => void, length?: number): RegisteredKeys => {
    attempted(call, length === undefined ? {} : { length })
    return context.registered()
  }
  return {
    register(domain, { core, offset, length }, address, access) {
      try {
        verbs.register(context.number, domain, core.id, offset, length, address, access, keys)
      } catch (error) {
        throw explainRefusal(error, { length })
      }
      return context.registered()
    },
    registerAsync(domain, memory, address, access) {
      const register = () =>
        new Promise<RegisteredKeys>((resolve, reject) => {
          const settle = (error: Error | null, found?: Uint32Array) => {
            if (error === null && found !== undefined) resolve(context.registered(found))
            else reject(explainRefusal(error, { length: memory.length }))
          }
          const number = context.number
          attempted(() => verbs.registerAsync(number, domain, ...rangeArguments(memory), address, access, settle))
        })
      return jobs.run(register)
    },
    reregister(registration, { domain, memory, access }) {
      const [region, offset, length] = memory === undefined ? [undefined, 0, 0] : rangeArguments(memory)
      return made(
        () => verbs.reregister(context.number, registration, domain, region, offset, length, access, keys),
        length,
      )
    },
    registerImplicit(domain, access) {
      const { number } = context
      try {
        verbs.registerImplicit(number, domain, access, keys)
      } catch (error) {
        // A device without implicit registrations refuses the address as invalid.
        const { implicit } = deviceAttributes(attempted(() => verbs.query(number))).onDemand
        throw explainRefusal(error, implicit ? {} : { unsupported: 'registrations of the whole address space' })
      }
      return context.registered()
    },
    cover: (implicit, memory) => made(() => verbs.cover(context.number, implicit, ...rangeArguments(memory), keys)),
    registerNull: (domain) => made(() => verbs.registerNull(context.number, domain, keys)),
    registerDmabuf: (domain, descriptor, offset, length, address, access) =>
      made(
        () => verbs.registerDmabuf(context.number, domain, descriptor, offset, length, address, access, keys),
        length,
      ),
    registerDeviceMemory: (domain, memory, offset, length, access) =>
      made(() => verbs.registerDeviceMemory(context.number, domain, memory, offset, length, access, keys)),
    deregister(registration) {
      attempted(() => verbs.deregister(context.number, registration))
    },
    advise(domain, advice, flush, ranges) {
      const numbers = ranges.flatMap(({ registration, offset, length }) => [registration, offset, length])
      attempted(() => verbs.advise(context.number, domain, advice, flush, Float64Array.from(numbers)))
    },
  }
}
