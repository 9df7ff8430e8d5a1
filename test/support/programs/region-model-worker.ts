import { parentPort } from 'node:worker_threads'
import { type Act, Actor } from './region-actor.js'

// A thread that carries out acts on regions. It is compiled before it is started (test/support/compiled-program.ts),
// since a loader of TypeScript takes most of a second in every worker, and a thread of its own.

const actor = new Actor()
parentPort?.on('message', async (act: Act) => parentPort?.postMessage(await actor.act(act)))
parentPort?.postMessage('ready')
