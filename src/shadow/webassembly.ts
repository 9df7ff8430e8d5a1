import { type WebAssemblyApi, webAssembly } from '../builtins.js'
import { native } from '../native.js'
import { GiB, MiB } from '../sizes.js'
import { isPlain } from '../threads/publication.js'
import { AddressSpace } from './address-space.js'
import { plain, sequential } from './compiled.js'

/**
 * The functions of native/wasm. An address is that of a byte in the memory of this thread's instance; `ring` is the
 * address of a ring's first byte, `records` that of the record of packet 0, and `numbers` that of a place in a magazine. The
 * functions check nothing.
 */
export interface WasmCalls {
  enqueue(ring: number, mask: number, ticket: number, values: number, count: number, flags: number): number
  dequeue(ring: number, mask: number, ticket: number, values: number, count: number, flags: number): number
  enqueueOne(ring: number, mask: number, ticket: number, value: number): number
  dequeueOne(ring: number, mask: number, ticket: number): number
  allocatePackets(
    records: number,
    capacity: number,
    headroom: number,
    numbers: number,
    values: number,
    count: number,
  ): number
  freePackets(records: number, capacity: number, numbers: number, values: number, count: number): number
}

const notOwned = -1

/** What stands for the functions where there is no WebAssembly: each leaves all to the code in TypeScript. */
export const noCalls: WasmCalls = {
  enqueue: () => notOwned,
  dequeue: () => notOwned,
  enqueueOne: () => notOwned,
  dequeueOne: () => notOwned,
  allocatePackets: () => 0,
  freePackets: () => 0,
}

/** This thread's instance of native/wasm. */
export interface Instance {
  readonly calls: WasmCalls
  /** The addresses of its memory. */
  readonly space: AddressSpace
}

/** Bytes of the memory: the most that a memory can have, or less if that is refused. */
const sizes = [4 * GiB, 256 * MiB]
const pageBytes = 65536

// One instance for all rings of the thread: calls of two instances in turn take 10 to 20 ns each.
let instance: Instance | undefined
let isOpened = false

/**
 * This thread's instance, made at the first call. Undefined if there is no WebAssembly (--jitless), if its memory is
 * refused (`ulimit -v`), or in a runtime other than Node: Bun and Deno do not promise where a memory lies.
 *
 * `PINFOLD_WEBASSEMBLY=off` in the environment does without it, for tests.
 */
export function wasmInstance(): Instance | undefined {
  if (!isOpened) instance = open()
  isOpened = true
  return instance
}

function open(): Instance | undefined {
  if (webAssembly === undefined || process.env.PINFOLD_WEBASSEMBLY === 'off') return undefined
  if (process.versions.bun !== undefined || process.versions.deno !== undefined) return undefined
  for (const size of sizes) {
    try {
      return instanceOf(webAssembly, size)
    } catch {
      // There is no range of addresses of this size. Or the program had replaced WebAssembly before it imported this.
    }
  }
  return undefined
}

function instanceOf({ Memory, Module, Instance }: WebAssemblyApi, size: number): Instance {
  const pages = size / pageBytes
  const memory = new Memory({ initial: pages, maximum: pages, shared: true })
  const module = new Module(Buffer.from(isPlain ? plain : sequential, 'base64'))
  const { exports } = new Instance<WasmCalls>(module, { env: { memory } })
  return {
    // A plain object: V8 looks up a property of `exports` at each access.
    calls: { ...exports },
    // Last: from here on the memory is kept for ever.
    space: new AddressSpace(native.openShadow(new Uint8Array(memory.buffer)), size),
  }
}
