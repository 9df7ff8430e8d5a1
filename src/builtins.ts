/**
 * Built-in functions, as they were when this file was imported. A loop whose end depends on one of them also ends in a
 * program that replaces that function later.
 */
export const atomicLoad = Atomics.load
export const atomicStore = Atomics.store
export const atomicAdd = Atomics.add
export const compareExchange = Atomics.compareExchange
export const atomicWait = Atomics.wait
export const { clz32, max, min, random } = Math
/** Milliseconds since this process started. */
export const now: () => number = performance.now.bind(performance)

/** The part of WebAssembly that this package uses. TypeScript declares it for browsers alone. */
export interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new <Exports>(
    module: object,
    imports: { env: { memory: WasmMemory } },
  ) => { readonly exports: Exports }
}

interface WasmMemory {
  readonly buffer: SharedArrayBuffer
}

const found = Reflect.get(globalThis, 'WebAssembly') as WebAssemblyApi | undefined

/** Undefined in a Node that was started with --jitless. */
export const webAssembly: WebAssemblyApi | undefined = found && {
  Memory: found.Memory,
  Module: found.Module,
  Instance: found.Instance,
}
