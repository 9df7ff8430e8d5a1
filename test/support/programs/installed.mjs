// The program of a user, in a folder in which the package is installed. Every runtime runs it (.ci/suites/packed.ts).
// It makes a region, translates it, shares it with a thread, and registers it. It must end by itself, with status 0.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { openDevice, openRegistry } from 'pinfold'

const size = 4 * 2 ** 20
const memory = await openRegistry({ regions: { rx: { size, pages: ['2MiB', 'transparent', 'base'] } } })
const { rx } = memory.regions
rx.view(4096, 64).fill(0xab)

const where = rx.translate()
// Only a process with CAP_SYS_ADMIN sees physical addresses.
const isTranslated = where.states.hidden === 0
if (isTranslated) {
  const lengths = where.runs().map(({ length }) => length)
  assert.equal(
    lengths.reduce((sum, length) => sum + length, 0),
    rx.size,
  )
  assert.equal(where.offsetOf(where.physicalAt(4096)), 4096)
}

const answer = new Promise((resolve, reject) => {
  const worker = new Worker(new URL('./installed-worker.mjs', import.meta.url), { workerData: rx.handle })
  worker.once('message', resolve).once('error', reject)
})
assert.deepEqual(await answer, { found: 0xab, address: rx.address })
assert.equal(rx.view(0, 4)[3], 0xcd)

const device = openDevice({ loopback: true })
const domain = device.createDomain()
const registration = await memory.register(rx, domain, ['localWrite', 'remoteWrite'])
assert.equal(registration.describe().length, rx.size)
device.close({ force: true })

const maps = readFileSync('/proc/self/maps', 'utf8')
const loaded = maps.match(/\/\S+\/pinfold\.node$/m)?.[0]
const libraries = { glibc: /\/libc(\.so\.6|-2\.\d+\.so)$/m, musl: /\/(libc\.so|ld-musl-[^/]+\.so\.1)$/m }
const libc = Object.keys(libraries).filter((name) => libraries[name].test(maps))
const { bun, deno, node } = process.versions
const program = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`
console.log(JSON.stringify({ program, libc: libc.join(' and '), loaded, isTranslated, pages: rx.pageSize }))
// The region stays open, and a view of it stays reachable: the runtime tears both down.
globalThis.view = rx.view(0, 64)
