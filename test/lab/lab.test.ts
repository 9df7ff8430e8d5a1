import { createHash, randomBytes } from 'node:crypto'
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { root } from '../child-process.js'
import { needs } from '../needs.js'
import { isRunning, LabRun, lab, labSockets, whyNoLab } from './lab.js'

// A machine takes some seconds to start under emulation, so each of these asks several things of it.

let folder = ''
beforeEach((context) => {
  needs(context, whyNoLab())
  folder = mkdtempSync(join(tmpdir(), 'pinfold-lab-test-'))
})
afterEach(() => {
  if (folder !== '') rmSync(folder, { recursive: true, force: true })
})

describe('a command in the lab', () => {
  test('sees this machine’s files, writes to none, and gives back its streams and its status exactly', async () => {
    const input = randomBytes(300_000)
    const script = `
      pwd; id -u; echo "$LAB_HOST of $LAB_HOSTS"; echo "$WORD"
      echo changed > package.json; cat package.json; touch /usr/here /tmp/there
      sha256sum
      head -c 200000 /dev/zero | tr '\\0' '\\377' >&2
      mkdir $LAB_OUT/sub; printf 'a\\0b' > $LAB_OUT/sub/bytes; chmod 0640 $LAB_OUT/sub/bytes; ln -s /etc/shadow $LAB_OUT/link
      exit 43`
    const words = ['run', '--out', folder, '--env', 'WORD=one two', '--', 'sh', '-c', script]
    const before = readFileSync(join(root, 'package.json'), 'utf8')

    const { status, stdout, stderr } = await lab(words, input)

    const sum = createHash('sha256').update(input).digest('hex')
    expect(stdout.toString().trim().split('\n')).toEqual([
      root.replace(/\/$/, ''),
      '0',
      '0 of 1',
      'one two',
      'changed',
      `${sum}  -`,
    ])
    expect(stderr.length).toBe(200_000)
    expect(status).toBe(43)
    expect(readFileSync(join(root, 'package.json'), 'utf8')).toBe(before)
    expect(existsSync('/usr/here') || existsSync('/tmp/there')).toBe(false)
    expect(readFileSync(join(folder, 'sub/bytes'), 'latin1')).toBe('a\0b')
    expect(statSync(join(folder, 'sub/bytes')).mode & 0o777).toBe(0o640)
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true)
    expect(readlinkSync(join(folder, 'link'))).toBe('/etc/shadow')
    expect(labSockets()).toEqual([])
  })

  test('has an active RDMA port, NUMA nodes, an IOMMU and the edu device as asked', async () => {
    const script = `
      cat /sys/class/infiniband/rxe0/ports/1/state
      ls -d /sys/devices/system/node/node*
      ls /sys/kernel/iommu_groups | wc -l
      cat /sys/bus/pci/devices/*/vendor | grep -c 0x1234
      ulimit -l; kill -TERM $$`
    const { status, stdout } = await lab(['run', '--numa', '2', '--iommu', '--edu', '--', 'sh', '-c', script])
    const lines = stdout.toString().trim().split('\n')
    expect(lines.slice(0, 3)).toEqual(['4: ACTIVE', '/sys/devices/system/node/node0', '/sys/devices/system/node/node1'])
    expect(Number(lines[3])).toBeGreaterThan(0)
    expect(lines.slice(4)).toEqual(['1', 'unlimited'])
    expect(status).toBe(143)
    expect(readdirSync(root)).not.toContain('lab-out')
  })

  test('that is not there ends with 127', async () => {
    const { status } = await lab(['run', '--', 'no-such-command'])
    expect(status).toBe(127)
  })
})

describe('two machines', () => {
  test('reach each other, and the first that fails decides', async () => {
    const script = `
      echo "$LAB_HOST at $LAB_ADDRESS with $LAB_PEERS"
      for try in 1 2 3 4 5 6 7 8 9 10; do /run/lab/busybox ping -c 1 -W 2 $LAB_PEERS >/dev/null && break; done || exit 9
      echo reached
      echo $LAB_HOST > $LAB_OUT/who
      [ $LAB_HOST = 1 ] && exit 5
      sleep 300`
    const { status, stdout } = await lab(['run', '--hosts', '2', '--out', folder, '--', 'sh', '-c', script])
    const lines = stdout.toString().trim().split('\n').sort()
    expect(lines).toContain('0| 0 at 10.77.0.1 with 10.77.0.2')
    expect(lines).toContain('1| 1 at 10.77.0.2 with 10.77.0.1')
    expect(lines).toContain('1| reached')
    expect(status).toBe(5)
    expect(readFileSync(join(folder, 'host1/who'), 'utf8')).toBe('1\n')
  })
})

describe('whatever ends it', () => {
  const forever = ['run', '--', 'sh', '-c', 'echo begun; sleep 1000']

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s takes the machine down', async (signal, expected) => {
    const run = new LabRun(forever)
    await run.said('begun')
    const emulators = run.emulators()
    expect(emulators).toHaveLength(1)
    run.kill(signal)
    expect((await run.ended()).status).toBe(expected)
    expect(emulators.filter(isRunning)).toEqual([])
    expect(labSockets()).toEqual([])
  })

  test('a kill -9 of it takes the machine down, too', async () => {
    const run = new LabRun(forever)
    await run.said('begun')
    const emulators = run.emulators()
    expect(emulators).toHaveLength(1)
    run.kill('SIGKILL')
    await run.ended()
    for (let left = 200; left > 0 && emulators.some(isRunning); left--) await setTimeout(50)
    expect(emulators.filter(isRunning)).toEqual([])
    expect(labSockets()).toEqual([])
  })

  test('the time limit does, with status 124', async () => {
    const { status, stderr } = await lab(['run', '--time-limit', '8', '--', 'sleep', '1000'])
    expect(status).toBe(124)
    expect(stderr).toContain('after 8 seconds')
    expect(labSockets()).toEqual([])
  })
})

describe('what is missing', () => {
  test.each([
    [['run', '--kernel', '/no/such/vmlinuz', '--', 'true'], /no kernel \/no\/such\/vmlinuz/, 1],
    [['run', '--kernel', '0.0.0-none', '--', 'true'], /linux-image-0\.0\.0-none/, 1],
    [['run'], /a command after --/, 2],
    [['run', '--hosts', '9', '--', 'true'], /hosts: expected a whole number from 1 to 8/, 2],
    [['run', '--memory', 'much', '--', 'true'], /much/, 2],
    [['run', '--env', '1x', '--', 'true'], /1x/, 2],
  ])('%j is told, and nothing is started', async (words, message, expected) => {
    const { status, stderr } = await lab(words)
    expect(stderr).toMatch(message)
    expect(status).toBe(expected)
    expect(labSockets()).toEqual([])
  })
})
