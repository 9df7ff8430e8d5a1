// Sustained traffic both ways, between the ends of traffic-end.mjs. Arguments: role, seconds, device, place as JSON, seed.
// Role: 'server', 'client', 'both' in this thread, or 'threads': the client in a worker. Prints a line of JSON for each
// end, with what is left open in its thread, or, for 'both', in the process.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { openDevice } from '../../../dist/index.js'
import { leakCheck } from '../../../dist/testing.js'
import { traffic } from './traffic-end.mjs'

const [role, seconds, deviceName, place, seed] = workerData ?? process.argv.slice(2)
const given = { seconds: Number(seconds), deviceName, place: JSON.parse(place), seed: Number(seed) }

async function ends(roles, scope, told) {
  const device = openDevice(deviceName)
  // With its first listener, librdmacm opens the device for itself. A registry's first thread stays, too.
  if (deviceName !== 'loopback0') await device.listen({ port: 0 }).close()
  device.close()
  const check = leakCheck({ scope })
  const found = await Promise.all(
    roles.map((name, index) =>
      traffic({ ...given, isServer: name === 'server', seed: given.seed + index }, index === 0 ? told : {}),
    ),
  )
  const left = check.left()
  return found.map((counts, index) => ({ role: roles[index], ...counts, left }))
}

const print = (line) => console.log(JSON.stringify(line))
const listens = (where) => print({ listens: where })

if (!isMainThread) parentPort.postMessage(await ends(['client'], 'thread', {}))
else if (role === 'threads') {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: ['client', seconds, deviceName, place, Number(seed) + 1],
  })
  const theirs = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  for (const line of [...(await ends(['server'], 'thread', { listens })), ...(await theirs)]) print(line)
} else {
  const roles = role === 'both' ? ['server', 'client'] : [role]
  for (const line of await ends(roles, 'process', { listens })) print(line)
}
