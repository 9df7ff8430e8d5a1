// Runs in the lab, where cgroup2 limits memory, and where no other program uses the sysctls. Tries allocations that are
// too large, and prints one JSON object a line.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openRegistrySync } from '../../../dist/index.js'

const MiB = 2 ** 20
const root = '/run/cgroup'
const cgroup = `${root}/pinfold`
const crowd = fileURLToPath(new URL('crowd.mjs', import.meta.url))
const say = (of) => console.log(JSON.stringify(of))

mkdirSync(root)
execFileSync('mount', ['-t', 'cgroup2', 'none', root])
writeFileSync(`${root}/cgroup.subtree_control`, '+memory')
for (const [limit, way] of [
  ['max', 'together'],
  ['max', 'threads'],
  ['max', 'small'],
  ['high', 'together'],
]) {
  mkdirSync(cgroup)
  writeFileSync(`${cgroup}/memory.${limit}`, `${240 * MiB}`)
  const enter = `echo $$ > ${cgroup}/cgroup.procs && exec "$@"`
  const { status, signal, stdout, stderr } = spawnSync('sh', ['-c', enter, 'sh', process.execPath, crowd, way], {
    encoding: 'utf8',
  })
  say({ limit, way, status, signal, stderr, ...(status === 0 ? JSON.parse(stdout) : {}) })
  rmdirSync(cgroup)
}

writeFileSync('/proc/sys/vm/overcommit_memory', '2')
const memory = openRegistrySync({})
const wanted = { pages: 'base', size: 1400 * MiB }
for (const backing of ['memfd', 'anonymous']) {
  try {
    memory.allocateSync(backing, { ...wanted, backing })
    say({ backing })
  } catch ({ code, values, hint = '' }) {
    execFileSync('sh', ['-c', hint.replace('sudo ', '')])
    memory.allocateSync(backing, { ...wanted, backing }).close()
    say({ backing, code, values, hint })
    writeFileSync('/proc/sys/vm/overcommit_kbytes', '0')
    writeFileSync('/proc/sys/vm/overcommit_ratio', '50')
  }
}
memory.close()
