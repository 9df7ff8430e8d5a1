import { inspect } from 'node:util'
import { openDevice, openRegistrySync, PinfoldError } from '../../../src/index.js'
import { hugeBigint, longText, sparse } from '../bad-input.js'

// Passes input to entry points of every kind. The input itself takes no memory, but a copy or a text of it takes all
// memory. Prints how each call was refused, and whether the error is long.

const registry = openRegistrySync()
const device = openDevice({ loopback: true })
const domain = device.createDomain()
const queue = device.createCompletionQueue({ entries: 128 })
const queuePair = domain.createQueuePair({ sendQueue: queue })
const base = { size: 4096, pages: 'base' }
const numbers = Array.from({ length: 2 ** 16 }, (_, index) => [`${index}`, 1] as const)

function call(of: object, name: string, ...given: readonly unknown[]): void {
  Reflect.apply(Reflect.get(of, name), of, given)
}

const calls: Readonly<Record<string, () => void>> = {
  pages: () => call(registry, 'allocateSync', 'x', { ...base, pages: sparse }),
  nodes: () => call(registry, 'allocateSync', 'x', { ...base, numa: { policy: 'bind', nodes: sparse } }),
  options: () => call(registry, 'allocateSync', 'x', Object.create(new Uint8Array(2 ** 28))),
  boxed: () => call(registry, 'allocateSync', 'x', new Proxy(new String(longText), {})),
  name: () => call(registry, 'allocateSync', longText, base),
  budget: () => call({ openRegistrySync }, 'openRegistrySync', { budget: { perNode: Object.fromEntries(numbers) } }),
  find: () => call(registry, 'find', hugeBigint),
  access: () => call(queuePair, 'initialize', { access: sparse }),
  implicit: () => call(domain, 'registerImplicit', sparse),
  post: () => call(queuePair, 'post', sparse),
  postReceive: () => call(queuePair, 'postReceive', sparse),
  memory: () => call(queuePair, 'post', { operation: 'send', memory: sparse }),
  advise: () => call(domain, 'advise', 'prefetch', sparse),
  device: () => call({ openDevice }, 'openDevice', longText),
}

for (const [name, wrong] of Object.entries(calls)) {
  try {
    wrong()
    console.log(`${name} taken`)
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    console.log(`${name} ${error.code}${inspect(error, { depth: 0 }).length < 20_000 ? '' : ', long'}`)
  }
}
device.close({ force: true })
registry.close()
