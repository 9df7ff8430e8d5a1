// Runs in the lab on one host. Tests what needs a real device and no peer. Prints one JSON object a line.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { listDevices, openDevice, openRegistrySync } from '../../../dist/index.js'

const say = (of) => console.log(JSON.stringify(of))
const [, self = '', what = 'all'] = process.argv

if (what === 'register') {
  // Its limit of locked memory is lower than what it registers.
  const memory = openRegistrySync({})
  const region = memory.allocateSync('large', { size: 2 ** 22, pages: 'base' })
  const device = openDevice('rxe0')
  try {
    memory.registerSync(region, device.createDomain(), ['localWrite'])
    say({ limited: 'registered' })
  } catch ({ code, hint, syscall }) {
    say({ limited: code, hint, syscall })
  }
  process.exit()
}

say({ devices: listDevices().map(({ name, kind }) => [name, kind]) })

const limited = ['-c', 'ulimit -l 64; exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock "$@"', 'sh']
const { stdout, stderr } = spawnSync('sh', [...limited, process.execPath, self, 'register'], { encoding: 'utf8' })
console.log(stdout.trim() || JSON.stringify({ limited: stderr }))

const memory = openRegistrySync({})
for (let round = 0; round < 10; round++) {
  const region = memory.allocateSync('churned', { size: 2 ** 20, pages: 'base' })
  const worker = new Worker(new URL('rdma-churn.mjs', import.meta.url), {
    workerData: { handle: region.handle, device: 'rxe0' },
  })
  await once(worker, 'message')
  const code = await worker.terminate()
  region.close()
  if (code !== 1) say({ terminated: code })
}
say({ terminated: 'all' })

// An open context keeps the kernel from deleting the link. The deletion finishes when the context is closed.
const region = memory.allocateSync('kept', { size: 2 ** 20, pages: 'base' })
const device = openDevice('rxe0')
memory.registerSync(region, device.createDomain(), ['localWrite'])
const deleting = spawn('rdma', ['link', 'delete', 'rxe0'])
const gone = once(deleting, 'close')
const early = await Promise.race([
  gone.then(() => 'deleted'),
  new Promise((resolve) => setTimeout(resolve, 2000, 'blocked')),
])
memory.close()
device.close({ force: true })
const [status] = await gone
say({ early, status, left: listDevices().map(({ name }) => name) })
