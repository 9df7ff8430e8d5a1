// Uses a ring in a process that lacks something, and prints the outcome and whether WebAssembly did the work, as JSON. The
// argument names what happens before the package is imported.
const [before = 'nothing'] = process.argv.slice(2)

const acts = {
  nothing() {},
  memories() {
    // Of the address space of a process, each takes 10 GiB.
    const taken = []
    try {
      for (;;) taken.push(new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true }))
    } catch {
      globalThis.taken = taken
    }
  },
  patched() {
    WebAssembly.Memory = class {}
    WebAssembly.Instance = class {}
    WebAssembly.Module = class {}
  },
}
const after = {
  patchedLater() {
    globalThis.WebAssembly = undefined
    globalThis.Atomics = {}
    Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), 'length', { get: () => 2 ** 30 })
    Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), 'buffer', { get: () => new ArrayBuffer(8) })
    Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), 'byteOffset', { get: () => -8 })
  },
}
acts[before]?.()
const { createRing, openRegistrySync } = await import('../../../dist/index.js')
const memory = openRegistrySync()
const region = memory.allocateSync('ring', { size: '1MiB', pages: 'base' })
after[before]?.()
let outcome
try {
  const ring = createRing(region, { count: 64 })
  const burst = ring.burst(32)
  for (let index = 0; index < 32; index++) burst[index] = index
  const put = ring.enqueueBulk(burst, 32)
  const single = ring.enqueue(99)
  burst.fill(0)
  const got = ring.dequeueBulk(burst, 32)
  outcome = { put, single, got, last: ring.dequeue(), value: burst[31], isWasm: Reflect.get(ring, 'address') > 0 }
  ring.close()
} catch (error) {
  outcome = { code: error.code ?? String(error) }
}
console.log(JSON.stringify(outcome))
// A registry that is collected warns of the regions that it leaves open.
memory.close()
