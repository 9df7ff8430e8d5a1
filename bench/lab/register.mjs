// Runs in the lab: `register.mjs PEER BYTES`. It is itself a peer (../peers/line_protocol.h) with two workloads. Both
// register BYTES of 2 MiB pages with rxe0 and deregister them again: 'pinfold' in this process, 'verbs' in the C
// program PEER. So the benchmark outside samples both in turn, in one virtual machine.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openDevice, openRegistrySync } from '../../dist/index.js'

const [, , program = '', size = ''] = process.argv
const bytes = Number(size)
const file = '/dev/hugepages/registered'
const access = ['localWrite', 'remoteWrite']
/**
 * How many samples of a small region come first, so that V8 compiles our code. The kernel's part of them is short. The
 * samples are short, too: in one long loop, V8 compiles that loop with everything that it calls, and not the code that
 * the next call of `register` needs.
 */
const warmUp = 1000

// This binds only our main thread, and the peer, which inherits the binding. The two never run at the same time.
spawnSync('taskset', ['-pc', '1', `${process.pid}`])
writeFileSync('/proc/sys/vm/nr_hugepages', `${bytes / 2 ** 21}`)
const memory = openRegistrySync({})
const region = memory.allocateSync('registered', { size: bytes, pages: '2MiB', backing: { file } })
const device = openDevice('rxe0')
const domain = device.createDomain()

/** Runs the rounds, after one that is not timed, as in C. Returns their seconds. */
function register(whole, rounds) {
  memory.registerSync(whole, domain, access).close()
  const start = process.hrtime.bigint()
  for (let round = 0; round < rounds; round++) memory.registerSync(whole, domain, access).close()
  return Number(process.hrtime.bigint() - start) / 1e9
}

const small = memory.allocateSync('small', { size: 4096, pages: 'base' })
for (let sample = 0; sample < warmUp; sample++) register(small, 3)
small.close()

const peer = spawn(program, ['rxe0', file], { stdio: ['pipe', 'pipe', 'inherit'] })
// The peer has written the reason why it ended to stderr, or as its answer.
peer.on('close', (status) => {
  if (status !== 0) process.exit(1)
})
const answers = createInterface({ input: peer.stdout })
console.log((await once(answers, 'line'))[0])
answers.on('line', (answer) => console.log(answer))

for await (const request of createInterface({ input: process.stdin })) {
  const [, workload, rounds = '0'] = /^run (\S+) (\d+)$/.exec(request) ?? []
  if (workload === 'verbs') peer.stdin.write(`run register ${rounds}\n`)
  else if (workload === 'pinfold') console.log(`ok ${register(region, Number(rounds)).toFixed(9)}`)
  else console.log(`failed not a request: ${request}`)
}
peer.stdin.end()
memory.close()
device.close({ force: true })
