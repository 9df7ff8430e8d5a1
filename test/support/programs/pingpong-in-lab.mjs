// Runs in the lab. Runs the ping-pong of the guide with ibv_rc_pingpong, first as its client, and then as its server.
// Prints a line of JSON for each, with the output and the status of both programs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { openDevice } from '../../../dist/index.js'

const [, , script] = process.argv
const device = openDevice('rxe0')
const { index } = device.bestGid(1)
device.close()

/** Starts a program, and collects its output and its status. */
function run(command, words) {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const program = { child, said: '' }
  child.stdout.on('data', (bytes) => {
    program.said += bytes
  })
  program.ended = once(child, 'close').then(([status]) => ({ status, said: program.said }))
  return program
}

const theirs = (...words) => run('ibv_rc_pingpong', ['-d', 'rxe0', '-g', `${index}`, ...words])
const ours = (...words) => run(process.execPath, [script, ...words])

/** Waits until a condition is true, or until the program that should make it true has ended. */
async function until(isTrue, program) {
  while (!isTrue() && program.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** True if a program listens on TCP port 18515 (0x4853), by proc(5). State 0A means listening. */
const isListening = () =>
  ['tcp', 'tcp6'].some((kind) => /:4853 \S+ 0A /.test(readFileSync(`/proc/net/${kind}`, 'latin1')))

async function together(server, client) {
  await until(isListening, server)
  const asking = client()
  return Promise.all([server.ended, asking.ended])
}

const [theirServer, ourClient] = await together(theirs(), () => ours('localhost'))
console.log(JSON.stringify({ ours: ourClient, theirs: theirServer }))
const [ourServer, theirClient] = await together(ours('serve'), () => theirs('localhost'))
console.log(JSON.stringify({ ours: ourServer, theirs: theirClient }))
