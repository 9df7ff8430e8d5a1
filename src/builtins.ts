/**
 * Built-in functions, as they were when this file was imported. A loop whose end depends on one of them also ends in a
 * program that replaces that function later.
 */
export const atomicLoad = Atomics.load
export const atomicStore = Atomics.store
export const atomicAdd = Atomics.add
export const compareExchange = Atomics.compareExchange
export const atomicWait = Atomics.wait
export const { ceil, clz32, floor, max, min, random } = Math
const { uptime } = process
/** Milliseconds since this process started. Not `performance.now`: Node.js loads `performance` when it is first used. */
export const now = (): number => uptime() * 1000

/**
 * A random whole number in [least, end). This module and a few others ask for parts of Node.js with `getBuiltinModule`
 * when they need them: Node.js loads node:crypto, node:net and node:worker_threads when they are imported, which takes
 * longer than loading this library's addon, and most programs never need them.
 */
export function randomInt(least: number, end: number): number {
  crypto ??= process.getBuiltinModule('node:crypto')
  return crypto.randomInt(least, end)
}

let crypto: typeof import('node:crypto') | undefined

/** The part of WebAssembly that this package uses. TypeScript declares it for browsers alone. */
export interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new <Exports>(
    module: object,
    imports: { env: { memory: WasmMemory } },
  ) => { readonly exports: Exports }
}

export interface WasmMemory {
  readonly buffer: SharedArrayBuffer
  grow(pages: number): number
}

const found = Reflect.get(globalThis, 'WebAssembly') as WebAssemblyApi | undefined

/** Undefined in a Node that was started with --jitless. */
export const webAssembly: WebAssemblyApi | undefined = found && {
  Memory: found.Memory,
  Module: found.Module,
  Instance: found.Instance,
}
