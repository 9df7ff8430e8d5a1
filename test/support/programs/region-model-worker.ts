import { parentPort } from 'node:worker_threads'
import { type Act, Actor } from './region-actor.js'

// A thread that acts on regions as it is told. Compiled before it is started (test/support/compiled-program.ts): a loader of
// TypeScript in every worker takes most of a second, and a thread of its own.

const actor = new Actor()
parentPort?.on('message', async (act: Act) => parentPort?.postMessage(await actor.act(act)))
parentPort?.postMessage('ready')
