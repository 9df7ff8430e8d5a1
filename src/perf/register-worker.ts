import { parentPort, workerData } from 'node:worker_threads'
import { type ErrorDetails, toPinfoldError } from '../errors.js'
import type { RegionHandle } from '../memory/region-handle.js'
import type { RegionMemory } from '../memory/region-memory.js'
import { openDevice } from '../rdma/devices/open-device.js'
import type { ProtectionDomain } from '../rdma/protection-domain.js'
import { registerMemory } from '../rdma/register.js'
import { attachRegion } from '../registry/region.js'
import { Histogram, type HistogramContent } from './histogram.js'

// One thread of `pinfold perf register`. It has a device of its own, as each thread of a program has, and registers its
// own part of the region that all threads share.

/** The part of one thread. */
export interface RegisterTask {
  readonly handle: RegionHandle
  readonly device: string
  /** The part of the region, in bytes. */
  readonly offset: number
  readonly bytes: number
  /** How often it is registered and closed again. */
  readonly rounds: number
  /** One word: 0 until all threads are ready, then 1. */
  readonly gate: Int32Array<SharedArrayBuffer>
}

/** The messages of a thread, in their order. A thread that fails sends `failed`, and nothing after it. */
export type RegisterMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'measured'; readonly figures: RegisterFigures }
  | { readonly kind: 'failed'; readonly message: string; readonly details: ErrorDetails }

/** The times of one thread, in nanoseconds but for `seconds`. */
export interface RegisterFigures {
  readonly first: HistogramContent
  readonly register: HistogramContent
  readonly close: HistogramContent
  readonly seconds: number
}

// The cast is right: register.ts is the only code that starts this worker, and passes a RegisterTask.
const task = workerData as RegisterTask
try {
  send({ kind: 'measured', figures: measure(task) })
} catch (error) {
  const { message, code, syscall, errno, values, hint } = toPinfoldError(error)
  send({ kind: 'failed', message, details: { code, syscall, errno, values, hint } })
}

function send(message: RegisterMessage): void {
  parentPort?.postMessage(message)
}

function measure({ handle, device: name, offset, bytes, rounds, gate }: RegisterTask): RegisterFigures {
  const region = attachRegion(handle)
  try {
    const device = openDevice(name)
    try {
      const part = region.slice(offset, bytes)
      const domain = device.createDomain()
      send({ kind: 'ready' })
      Atomics.wait(gate, 0, 0)
      return measureRounds(part, domain, rounds)
    } finally {
      device.close({ force: true })
    }
  } finally {
    region.close()
  }
}

function measureRounds(part: RegionMemory, domain: ProtectionDomain, rounds: number): RegisterFigures {
  const first = new Histogram()
  const register = new Histogram()
  const close = new Histogram()
  const begin = performance.now()
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    const registration = registerMemory(part, domain, ['localWrite', 'remoteWrite', 'remoteRead'], undefined)
    const registered = performance.now()
    registration.close()
    const closed = performance.now()
    const times = round === 0 ? first : register
    times.record((registered - start) * 1e6)
    close.record((closed - registered) * 1e6)
  }
  const seconds = (performance.now() - begin) / 1000
  return { first: first.content(), register: register.content(), close: close.content(), seconds }
}
