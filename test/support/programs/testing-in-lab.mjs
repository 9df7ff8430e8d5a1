// Runs in the lab, on Soft-RoCE: the tools of pinfold/testing on a real device. Prints a line of JSON.
import { openDevice } from '../../../dist/index.js'
import { connectedPair, expectNoLeaks, injectFaults, weather } from '../../../dist/testing.js'

/** What a call throws. */
function refusal(call) {
  try {
    call()
    return 'nothing'
  } catch ({ code, syscall, values }) {
    return { code, syscall, left: values.left }
  }
}

const statuses = await expectNoLeaks(async () => {
  const found = []
  for (const type of ['RC', 'UC']) {
    const pair = connectedPair({ device: 'rxe0', type })
    const { near, far } = pair
    near.region.bytes.fill(7)
    far.queuePair.postReceive({ memory: far.memory.slice(4096, 4096) })
    near.queuePair.post([
      { operation: 'write', memory: near.memory.slice(0, 100), remote: near.remote.slice(0, 100) },
      { operation: 'send', memory: near.memory.slice(0, 8) },
    ])
    for (let left = 2; left > 0; ) {
      const done = await near.queue.wait({ signal: AbortSignal.timeout(60_000) })
      left -= done.length
      found.push(...done.map(({ status }) => status))
    }
    found.push(...(await far.queue.wait({ signal: AbortSignal.timeout(60_000) })).map(({ status }) => status))
    found.push(far.region.bytes[99], far.region.bytes[4096 + 7])
    pair.close()
  }
  return found
})

const device = openDevice('rxe0')
const pair = connectedPair({ device })
const faults = injectFaults({ device })
faults.failNext('ibv_reg_mr', { nth: 2, errno: 'ENOMEM' })
const register = () => pair.registry.registerSync(pair.near.region, pair.domain, [])
const ofDevice = [refusal(() => register().close()), refusal(register), refusal(() => register().close())]
faults.end()
const weathered = refusal(() => weather(device))
pair.close()
device.close()

const library = injectFaults()
library.failNext('ibv_create_qp', { nth: 2, errno: 'EPERM' })
const half = refusal(() => expectNoLeaks(() => connectedPair({ device: 'rxe0' })))
const calls = library.calls()
library.end()
const leak = refusal(() => expectNoLeaks(() => openDevice('rxe0').createDomain()))

console.log(JSON.stringify({ statuses, ofDevice, weathered, half, queuePairs: calls.ibv_create_qp, leak }))
