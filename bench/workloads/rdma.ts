import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { native } from '../../src/native.js'
import { MiB } from '../../src/sizes.js'
import { BareMachine } from '../lab/bare-machine.js'
import { interleave, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { compilePeer, Peer } from '../peer.js'
import { rateAtLeast, ratioAtMost } from '../row.js'
import type { Report, Suite } from '../suite.js'

const milliseconds = 1e3
const microseconds = 1e6
const writeBytes = 64 * 1024
const batch = 32
/** Bytes at each end: more than the caches hold. */
const span = 32 * MiB
const registered = 256 * MiB
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const registerInLab = fileURLToPath(new URL('../lab/register.mjs', import.meta.url))
const labReport = z.object({ accelerator: z.string(), hosts: z.array(z.object({ startSeconds: z.number() })).min(1) })

export const suite: Suite = {
  about: 'registering memory, writes over the loopback beside memcpy, and the start of the lab',
  hugepages: 32,
  oneProcessor: true,
  async run(report) {
    await report.section('loopback write of 64 KiB', () => measureWrites(report))
    await report.section('registerSync and close', () => measureRegistration(report))
    await report.section('lab: start to first command', () => measureLab(report))
    await report.section('lab: register and deregister 256 MiB', () => measureRegistrationInLab(report))
  },
}

/** Two queue pairs that are connected to each other, and a region for both ends. */
function connected(device = pinfold.openDevice({ loopback: true })) {
  const memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('written', { size: 2 * span, pages: ['2MiB', 'base'] })
  const domain = device.createDomain()
  const completions = device.createCompletionQueue({ entries: 8 * batch })
  const ours = domain.createQueuePair({ sendQueue: completions })
  const theirs = domain.createQueuePair({ sendQueue: completions })
  ours.connect(theirs.describe())
  theirs.connect(ours.describe(), { access: ['remoteWrite'] })
  const close = () => {
    memory.close()
    device.close({ force: true })
  }
  return { memory, region, domain, completions, ours, [Symbol.dispose]: close }
}

async function measureWrites(report: Report): Promise<void> {
  using ends = connected()
  const { memory, region, domain, completions, ours } = ends
  const source = memory.registerSync(region.slice(0, span), domain, [])
  const target = memory.registerSync(region.slice(span, span), domain, ['localWrite', 'remoteWrite'])
  const remote = pinfold.parseRemoteMemory(target.describe())
  const places = Array.from({ length: span / writeBytes }, (_, index) => index * writeBytes)
  const froms = places.map((offset) => source.slice(offset, writeBytes))
  const tos = places.map((offset) => remote.slice(offset, writeBytes))
  const arrived = new pinfold.Completions(batch)
  await using peer = await Peer.start('memcpy', writeBytes, span)

  // A round is one write. Writes are posted in batches, and their completions are polled. With `mask` 0 all writes use
  // the first place, otherwise they use each place in turn.
  const writes = (mask: number) => {
    let place = 0
    return timed((rounds) => {
      let done = 0
      while (done < rounds) {
        const posted = Math.min(batch, rounds - done)
        for (let index = 0; index < posted; index++) {
          const from = froms[place & mask]
          const to = tos[place & mask]
          place++
          if (from !== undefined && to !== undefined) ours.sends.write(from, to, index)
        }
        ours.sends.post()
        done += completions.pollInto(arrived)
      }
      return done
    })
  }
  const taken = await interleave(
    {
      same: writes(0),
      memcpySame: peer.contender('same'),
      through: writes(places.length - 1),
      memcpyThrough: peer.contender('through'),
    },
    { samples: 401, warmUp: 40, rounds: 10 * batch },
  )
  const rows = [
    ['the same 64 KiB each time', 'same', 'memcpySame'],
    ['through 32 MiB, which no cache holds', 'through', 'memcpyThrough'],
  ] as const
  for (const [which, write, memcpy] of rows) {
    report.add({
      name: `loopback write of 64 KiB, ${which}`,
      unit: 'us',
      scale: microseconds,
      value: taken.of(write),
      peer: { name: 'memcpy', value: taken.of(memcpy), ratio: taken.ratio(write, memcpy) },
      target: rateAtLeast(0.9),
    })
  }
}

/**
 * The floor of a registration in JavaScript: an object that is found by its two keys, and that its region knows. It is
 * put there and taken away again.
 */
function recording(region: object) {
  const byKey = new Map<number, object>()
  const registrations = new WeakMap([[region, new Set<object>()]])
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      const record = { region, lkey: 2 * round, rkey: 2 * round + 1, length: 64, isOpen: true }
      byKey.set(record.lkey, record)
      byKey.set(record.rkey, record)
      registrations.get(region)?.add(record)
      sum += record.length
      record.isOpen = false
      registrations.get(region)?.delete(record)
      byKey.delete(record.rkey)
      byKey.delete(record.lkey)
    }
    return sum
  })
}

async function measureRegistration(report: Report): Promise<void> {
  // A table of functions that do nothing takes the place of libibverbs. So the time is that of JavaScript, and of the
  // way to native code.
  native.verbs.test.choose(true, false)
  using ends = connected()
  using idle = connected(pinfold.openDevice('noop0'))
  native.verbs.test.choose(false, false)
  const registering = ({ memory, region, domain }: ReturnType<typeof connected>) =>
    timed((rounds) => {
      let sum = 0
      for (let round = 0; round < rounds; round++) {
        const registration = memory.registerSync(region, domain, ['localWrite', 'remoteWrite'])
        sum += registration.length
        registration.close()
      }
      return sum
    })
  const workloads = { loopback: registering(ends), verbs: registering(idle), record: recording(ends.region) }
  const taken = await interleave(workloads, { samples: 201, warmUp: 40, rounds: 200 })
  const figure = { unit: 'us', scale: microseconds }
  report.add({
    ...figure,
    name: 'registerSync and close, on the loopback: all of it JavaScript',
    value: taken.of('loopback'),
    peer: { name: 'a record in a Map and a Set', value: taken.of('record'), ratio: taken.ratio('loopback', 'record') },
    target: ratioAtMost(6),
  })
  report.add({
    ...figure,
    name: 'registerSync and close, by verbs that do nothing: JavaScript, and the way to native code',
    value: taken.of('verbs'),
    peer: { name: 'on the loopback', value: taken.of('loopback'), ratio: taken.ratio('verbs', 'loopback') },
    target: ratioAtMost(1.5),
  })
}

/** `pinfold lab run`, under `taskset` with all processors: the lab may use them, though this suite is bound to one. */
function labRun(...words: string[]): [string, ...string[]] {
  return ['taskset', '--cpu-list', '0-1023', process.execPath, command, 'lab', 'run', ...words]
}

/** Each sample is a run of its own. The report of the lab says after how many seconds the command began. */
async function measureLab(report: Report): Promise<void> {
  using bare = await BareMachine.prepare()
  let accelerator = ''
  const lab = async () => {
    const [program, ...args] = labRun('--json', '--', 'true')
    const { stderr } = await promisify(execFile)(program, args)
    const told = labReport.parse(JSON.parse(stderr.trim().split('\n').at(-1) ?? ''))
    accelerator = told.accelerator
    return told.hosts[0]?.startSeconds ?? Number.NaN
  }
  const taken = await interleave({ lab, bare: () => bare.run() }, { samples: 5, warmUp: 0, rounds: 1 })
  report.add({
    name: `lab: start to first command (${accelerator === 'kvm' ? 'KVM' : 'emulated'})`,
    unit: 's',
    scale: 1,
    value: taken.of('lab'),
    peer: { name: 'the kernel alone', value: taken.of('bare'), ratio: taken.ratio('lab', 'bare') },
    target: ratioAtMost(1.5),
  })
}

/** Samples both in turn, in one virtual machine, by its clock. There the ratio has a meaning, but the times do not. */
async function measureRegistrationInLab(report: Report): Promise<void> {
  const inC = await compilePeer('ibv_reg_mr')
  const [program, ...args] = labRun('--time-limit', '180', '--', process.execPath, registerInLab, inC, `${registered}`)
  await using lab = await Peer.launch('pinfold lab run', program, ...args)
  const taken = await interleave(
    { ours: lab.contender('pinfold'), verbs: lab.contender('verbs') },
    { samples: 151, warmUp: 5, rounds: 3 },
  )
  report.add({
    name: 'lab: register and deregister 256 MiB of 2 MiB pages',
    unit: 'ms',
    scale: milliseconds,
    value: taken.of('ours'),
    peer: { name: 'ibv_reg_mr and ibv_dereg_mr, in C', value: taken.of('verbs'), ratio: taken.ratio('ours', 'verbs') },
    target: ratioAtMost(1.05),
  })
}
