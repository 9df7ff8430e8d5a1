// A worker that owns queue pairs, registrations and a window, and keeps moving bytes until it is terminated.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, openDevice, openRegistrySync, parseRemoteMemory } from '../../../dist/index.js'

const { handle, device: name } = workerData
const region = attachRegion(handle)
const memory = openRegistrySync({})
const device = openDevice(name)
const domain = device.createDomain()
const completions = device.createCompletionQueue({ entries: 512 })
const [ours, theirs] = [1, 2].map(() => domain.createQueuePair({ sendQueue: completions }))
const access = ['remoteWrite', 'remoteRead']
ours.connect(theirs.describe(), { access })
theirs.connect(ours.describe(), { access })
const half = region.size / 2
const from = memory.registerSync(region.slice(0, half), domain, ['localWrite'])
const to = memory.registerSync(region.slice(half, half), domain, ['localWrite', ...access])
const remote = parseRemoteMemory(to.describe())

parentPort.postMessage('ready')
for (let round = 0; ; round++) {
  const offset = (round * 4099) % (half - 65536)
  for (let batch = 0; batch < 16; batch++) {
    ours.sends.write(from.slice(offset, 65536), remote.slice(offset, 65536))
  }
  ours.sends.post()
  for (let done = 0; done < 16; ) done += completions.poll(16).length
  memory.registerSync(region.slice(offset, 4096), domain, ['localWrite']).close()
  if (round % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
}
