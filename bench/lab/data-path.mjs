// Runs in the lab: `data-path.mjs PYVERBS`. It is itself a peer (../peers/line_protocol.h), and its rounds are RDMA writes
// on rxe0. 'bandwidth' and 'rate' are ours, and 'latency' is `pinfold perf latency`, as two processes; the same with
// 'perftest' runs ib_write_bw or ib_write_lat, server and client, on the same device, and takes the time from what it
// prints. 'pyverbs' asks the program PYVERBS. So the benchmark outside samples each beside its peer in one virtual machine.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Completions, openDevice, openRegistrySync, parseRemoteMemory, sendFlags } from '../../dist/index.js'

const [, , pyverbs = ''] = process.argv
const pinfold = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const MiB = 2 ** 20
const burst = 32

// This binds our main thread and the peers. They never run at the same time.
spawnSync('taskset', ['-pc', '1', `${process.pid}`])
const memory = openRegistrySync({})
const device = openDevice('rxe0')
const domain = device.createDomain()
const queue = device.createCompletionQueue({ entries: 1024 })
const [near, far] = [1, 2].map(() => domain.createQueuePair({ sendQueue: queue, sendRequests: 256 }))
near.connect(far.describe())
far.connect(near.describe(), { access: ['remoteWrite'] })
const access = ['localWrite', 'remoteWrite']
const source = memory.registerSync(memory.allocateSync('source', { size: 16 * MiB, pages: 'base' }), domain, access)
const target = memory.registerSync(memory.allocateSync('target', { size: 16 * MiB, pages: 'base' }), domain, access)
const remote = parseRemoteMemory(target.describe())
const arrived = new Completions(256)

/** Keeps `depth` writes outstanding, of which each `step`th is signaled. Returns the seconds of the rounds. */
function write(rounds, bytes, depth, step) {
  const [from, to] = [source.slice(0, bytes), remote.slice(0, bytes)]
  const start = process.hrtime.bigint()
  let posted = 0
  let done = 0
  while (done < rounds) {
    while (posted < rounds && posted + step - done <= depth) {
      for (let index = 1; index < step; index++) near.sends.write(from, to, 0, 0)
      near.sends.write(from, to, 0, sendFlags.signaled)
      near.sends.post()
      posted += step
    }
    const found = queue.pollInto(arrived)
    for (let index = 0; index < found; index++) {
      if (arrived.statusCode(index) !== 0) throw new Error(arrived.status(index))
    }
    done += found * step
  }
  return Number(process.hrtime.bigint() - start) / 1e9
}

/** The report of ib_write_bw has messages a second, in millions, in the last column. */
async function bandwidthOfPerftest(rounds, words) {
  const rate = await perftest('ib_write_bw', rounds, words, /^\s*\d+\s+\d+\s+[\d.]+\s+[\d.]+\s+([\d.]+)\s*$/m)
  return rounds / (rate * 1e6)
}

/** The report of ib_write_lat has the median, in microseconds, in its fifth column. */
async function latencyOfPerftest(rounds, words) {
  const pattern = /^\s*\d+\s+\d+\s+[\d.]+\s+[\d.]+\s+([\d.]+)\s/m
  // Both sides poll memory, so each needs a CPU of its own.
  return (rounds * (await perftest('ib_write_lat', rounds, words, pattern, '0'))) / 1e6
}

/** Each side has a CPU of its own, as perftest's sides have. The median of what the client has measured. */
async function latency(rounds, words) {
  const command = (...more) => [pinfold, 'perf', 'latency', '-d', 'rxe0', ...more]
  const serverWords = command('-p', '0', '--cpus', '0')
  const server = spawn(process.execPath, serverWords, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const { value = '' } = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next()
    const port = / (\d+)$/.exec(value)?.[1] ?? ''
    const clientWords = command('localhost', '-p', port, '--cpus', '1', '-n', `${rounds}`, '--json', ...words)
    const { stdout, stderr } = spawnSync(process.execPath, clientWords, { encoding: 'utf8' })
    if (!stdout.startsWith('{')) throw new Error(`pinfold perf latency: ${stderr}`)
    return (rounds * JSON.parse(stdout).results[0].latency.percentiles.p50) / 1e9
  } finally {
    server.kill('SIGKILL')
    if (server.exitCode === null) await once(server, 'close')
  }
}

/** A program of perftest, both ends on this machine, the client on CPU 1. Returns the number that the pattern finds in its report. */
async function perftest(program, rounds, words, pattern, cpuOfServer = '1') {
  const args = ['-d', 'rxe0', '-x', '1', '-F', '-n', `${Math.max(rounds, 256)}`, ...words]
  const server = spawn('taskset', ['-c', cpuOfServer, 'stdbuf', '-oL', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (text) => {
      said += text
    })
  }
  try {
    // It listens a little after it has said that it waits.
    while (!said.includes('Waiting for client') && server.exitCode === null) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    for (let tries = 0; tries < 50; tries++) {
      const client = spawnSync(program, [...args, '127.0.0.1'], { encoding: 'utf8' })
      const found = pattern.exec(client.stdout)?.[1]
      if (found !== undefined) return Number(found)
      // The server does not listen yet.
      if (server.exitCode !== null) throw new Error(`${program}: ${said.trim() || client.stderr.trim()}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`${program}: the server never listened`)
  } finally {
    if (server.exitCode === null) {
      server.kill()
      await once(server, 'close')
    }
  }
}

const python = spawn('/usr/bin/python3', [pyverbs, 'rxe0'], { stdio: ['pipe', 'pipe', 'inherit'] })
const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]()
const whyNoPython = String((await answers.next()).value)

async function inPython(rounds) {
  if (whyNoPython !== 'ready') throw new Error(`pyverbs: ${whyNoPython}`)
  python.stdin.write(`run burst ${rounds}\n`)
  const [, seconds] = /^ok (\S+)$/.exec(String((await answers.next()).value)) ?? []
  return Number(seconds)
}

const workloads = {
  bandwidth: (rounds) => write(rounds, 65_536, 128, 1),
  'bandwidth-perftest': (rounds) => bandwidthOfPerftest(rounds, ['-s', '65536', '-t', '128', '-Q', '1']),
  rate: (rounds) => write(rounds, 64, 128, burst),
  'rate-perftest': (rounds) =>
    bandwidthOfPerftest(rounds, ['-s', '64', '-t', '128', '-l', `${burst}`, '-Q', `${burst}`]),
  burst: (rounds) => write(rounds, 64, burst, burst),
  latency: (rounds) => latency(rounds, ['-s', '64', '--warmup', '5000']),
  'latency-perftest': (rounds) => latencyOfPerftest(rounds, ['-s', '64']),
  pyverbs: inPython,
}

console.log('ready')
for await (const request of createInterface({ input: process.stdin })) {
  const [, workload = '', rounds = '0'] = /^run (\S+) (\d+)$/.exec(request) ?? []
  try {
    if (!Object.hasOwn(workloads, workload)) throw new Error(`not a request: ${request}`)
    console.log(`ok ${(await workloads[workload](Number(rounds))).toFixed(9)}`)
  } catch (error) {
    console.log(`failed ${error.message}`)
  }
}
python.stdin.end()
memory.close()
device.close({ force: true })
