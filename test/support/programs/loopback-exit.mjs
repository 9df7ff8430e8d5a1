// Ends by itself, or stays: `loopback-exit idle` has a connection and nothing to do; `outstanding` has posted a request
// that its peer, which is stopped, does not answer; `waiting` waits for a message; `delayed` has posted a request that its
// peer has no receive for; `unreliable` has sent to a peer that is stopped, by an unreliable connection.
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
const type = what === 'unreliable' ? 'UC' : 'RC'
const queuePair = domain.createQueuePair({ sendQueue: queue, type })
const registration = memory.registerSync(memory.allocateSync('near', { size: 4096, pages: 'base' }), domain, [])
const reliable = type === 'RC'
queuePair.connect(await call('pair', 'pair', { type }), reliable ? { timeout: 12, retryCount: 1, rnrRetry: 1 } : {})
await call('connect', 'pair', queuePair.describe(), reliable ? { minRnrTimer: 0 } : { access: ['remoteWrite'] })
const remote = parseRemoteMemory(await call('memory')).slice(0, 4096)
queuePair.post({ operation: 'write', memory: registration, remote })
await queue.wait()
if (what === 'outstanding' || what === 'unreliable') far.kill('SIGSTOP')
if (what === 'outstanding' || what === 'unreliable' || what === 'delayed') {
  const send = { operation: 'send', memory: [] }
  queuePair.post(what === 'delayed' ? send : { operation: 'write', memory: registration, remote })
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
// A peer that is disconnected ends.
if (what === 'delayed') far.channel.unref()
else far.disconnect()
far.unref()
