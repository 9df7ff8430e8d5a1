// In the lab: `register.mjs PEER BYTES`. It is a peer itself (../peers/line_protocol.h) with two workloads, both of which
// register BYTES of 2 MiB pages with rxe0 and end that again: 'pinfold' does it here, 'verbs' in the C program PEER. So
// both are sampled in turn, in one machine, by whoever asks from outside.
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
 * Samples of a small region, of which the kernel's part is short, until V8 has compiled ours. Short ones: out of one long
 * loop it compiles that loop, with all that is called in it, and not what the next call of `register` needs.
 */
const warmUp = 1000

// Our thread alone, and the peer, which inherits it: they never run at once.
spawnSync('taskset', ['-pc', '1', `${process.pid}`])
writeFileSync('/proc/sys/vm/nr_hugepages', `${bytes / 2 ** 21}`)
const memory = openRegistrySync({})
const region = memory.allocateSync('registered', { size: bytes, pages: '2MiB', backing: { file } })
const device = openDevice('rxe0')
const domain = device.createDomain()

/** Seconds of so many rounds, after one that is not timed, as in C. */
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
// Why it has ended stands on stderr, or was its answer.
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
