import { parentPort } from 'node:worker_threads'
import { tsImport } from 'tsx/esm/api'

// A thread that acts on regions as it is told. In JavaScript: Node starts no worker from TypeScript.

const { Actor } = await tsImport('./region-actor.ts', import.meta.url)
const actor = new Actor()
parentPort.on('message', async (act) => parentPort.postMessage(await actor.act(act)))
parentPort.postMessage('ready')
