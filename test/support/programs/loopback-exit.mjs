// Ends by itself, or stays: `loopback-exit idle` has a connection and nothing to do; `outstanding` has posted a request
// that its peer, which is stopped, does not answer; `waiting` waits for a message.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openDevice, openRegistrySync, parseRemoteMemory } from '../../../dist/index.js'

const [what] = process.argv.slice(2)
const far = fork(fileURLToPath(new URL('loopback-far.mjs', import.meta.url)))
const call = async (name, ...given) => {
  far.send(JSON.stringify([0, name, given]))
  return JSON.parse((await once(far, 'message'))[0])[1]
}
const device = openDevice({ loopback: true })
const memory = openRegistrySync({ leaks: 'off' })
const domain = device.createDomain()
const queue = device.createCompletionQueue({ entries: 128 })
const queuePair = domain.createQueuePair({ sendQueue: queue })
const registration = memory.registerSync(memory.allocateSync('near', { size: 4096, pages: 'base' }), domain, [])
queuePair.connect(await call('pair', 'pair'), { timeout: 12, retryCount: 1 })
await call('connect', 'pair', queuePair.describe())
const remote = parseRemoteMemory(await call('memory')).slice(0, 4096)
queuePair.post({ operation: 'write', memory: registration, remote })
await queue.wait()
if (what === 'outstanding') {
  far.kill('SIGSTOP')
  queuePair.post({ operation: 'write', memory: registration, remote })
  process.on('exit', () =>
    console.log(
      queue
        .poll()
        .map(({ status }) => status)
        .join(),
    ),
  )
}
if (what === 'waiting') {
  queuePair.postReceive({})
  const waiting = queue.wait()
  await call('post', 'pair', [{ operation: 'send', memory: [] }])
  console.log((await waiting).map(({ status }) => status).join())
}
process.on('exit', () => far.kill('SIGKILL'))
far.disconnect()
far.unref()
