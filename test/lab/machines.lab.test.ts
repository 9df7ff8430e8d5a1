import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { root } from '../support/child-process.js'
import { LabRun, lab, whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

// A machine takes some seconds to start under emulation, so each test checks several things in one machine.

let folder = ''
beforeEach((context) => {
  needs(context, whyNoLab())
  folder = mkdtempSync(join(tmpdir(), 'pinfold-lab-test-'))
})
afterEach(() => {
  if (folder !== '') rmSync(folder, { recursive: true, force: true })
})

function linesOf(stdout: Buffer): string[] {
  return stdout.toString().trim().split('\n')
}

describe('a command in the lab', () => {
  test('reads this machine’s files, changes none, and returns its streams and its status unchanged', async () => {
    const input = randomBytes(300_000)
    const script = `
      pwd; id -u; echo "$LAB_HOST of $LAB_HOSTS"; echo "$WORD"
      echo changed > package.json; cat package.json; touch /usr/here ${folder}/there
      sha256sum
      head -c 200000 /dev/zero | tr '\\0' '\\377' >&2
      mkdir $LAB_OUT/sub; printf 'a\\0b' > $LAB_OUT/sub/bytes; chmod 0640 $LAB_OUT/sub/bytes; ln -s /etc/shadow $LAB_OUT/link
      exit 43`
    const out = join(folder, 'out')
    const variables = ['--env', 'WORD=one, two\n  three', '--env', 'OTHER=1']

    const { status, stdout, stderr } = await lab(['run', '--out', out, ...variables, '--', 'sh', '-c', script], input)

    const sum = createHash('sha256').update(input).digest('hex')
    const here = root.replace(/\/$/, '')
    expect(linesOf(stdout)).toEqual([here, '0', '0 of 1', 'one, two', '  three', 'changed', `${sum}  -`])
    expect(stderr).toBe('\ufffd'.repeat(200_000))
    expect(status).toBe(43)
    expect(readFileSync(join(root, 'package.json'), 'utf8')).toContain('"name": "pinfold"')
    expect(existsSync('/usr/here') || existsSync(join(folder, 'there'))).toBe(false)
    expect(readFileSync(join(out, 'sub/bytes'), 'latin1')).toBe('a\0b')
    expect(statSync(join(out, 'sub/bytes')).mode & 0o777).toBe(0o640)
    expect(lstatSync(join(out, 'link')).isSymbolicLink()).toBe(true)
    expect(readlinkSync(join(out, 'link'))).toBe('/etc/shadow')
  })

  test('keeps its $LAB_OUT when another run in the same folder ends with an empty one', async () => {
    const cwd = folder
    const script = 'echo waits; text=$(cat); printf %s "$text" > "$LAB_OUT/file"'
    const other = new LabRun(['run', '--', 'sh', '-c', script], { cwd, input: 'later' })
    const ended = other.ended()
    await other.said('waits')
    expect(await new LabRun(['run', '--', 'true'], { cwd }).ended()).toMatchObject({ status: 0, stderr: '' })
    other.end('written')
    expect((await ended).status).toBe(0)
    expect(readFileSync(join(folder, 'lab-out/file'), 'utf8')).toBe('written')
  }, 180_000)

  test('sees a clock that runs as fast as this machine’s', async () => {
    const run = new LabRun(['run', '--', 'sh', '-c', 'date +%s%N; echo begun; sleep 2; date +%s%N; echo ended'])
    const ended = run.ended()
    await run.said('begun')
    const begun = performance.now()
    await run.said('ended')
    const outside = performance.now() - begun
    const { status, stdout } = await ended
    const [from, , until] = linesOf(stdout).map(Number)
    const inside = (Number(until) - Number(from)) / 1e6
    expect(status).toBe(0)
    // The output arrives late. A clock that was measured wrongly is wrong by far more than this delay.
    expect(inside / outside).toBeGreaterThan(1 / 1.5)
    expect(inside / outside).toBeLessThan(1.5)
  })

  test('gets an active RDMA port, and NUMA nodes, an IOMMU and the edu device as requested', async () => {
    const script = `
      cat /sys/class/infiniband/rxe0/ports/1/state
      ls -d /sys/devices/system/node/node*
      ls /sys/kernel/iommu_groups | wc -l
      cat /sys/bus/pci/devices/*/vendor | grep -c 0x1234
      ulimit -l; kill -TERM $$`
    const { status, stdout, stderr } = await lab([
      ...['run', '--json', '--numa', '2', '--iommu', '--edu', '--memory', '2GiB'],
      ...['--', 'sh', '-c', script],
    ])
    const [state, first, second, groups, ...rest] = linesOf(stdout)
    expect([state, first, second]).toEqual([
      '4: ACTIVE',
      '/sys/devices/system/node/node0',
      '/sys/devices/system/node/node1',
    ])
    expect(Number(groups)).toBeGreaterThan(0)
    expect(rest).toEqual(['1', 'unlimited'])
    expect(status).toBe(143)
    const report = JSON.parse(stderr)
    expect(report).toMatchObject({ schema: 'pinfold/lab-run/1', status: 143, timedOut: false, out: null })
    expect(report.hosts).toEqual([{ status: 143, startSeconds: expect.any(Number), seconds: expect.any(Number) }])
    expect(readdirSync(root)).not.toContain('lab-out')
  })

  test('may reopen its streams and leave processes behind: all its output arrives before the end', async () => {
    const script = `
      echo to stderr > /dev/stderr
      (sleep 0.2; echo late) &
      sleep 1000 &
      head -c 20000000 /dev/zero
      no-such-command`
    const { status, stdout, stderr } = await lab(['run', '--', 'sh', '-c', script])
    expect(stdout.length).toBe(20_000_000 + 'late\n'.length)
    expect(stdout.includes('late\n')).toBe(true)
    expect(stderr).toMatch(/^to stderr\n.*no-such-command: not found/)
    expect(status).toBe(127)
  })
})

describe('several machines', () => {
  test('reach each other by RDMA, by address and by name', async () => {
    const script = `
      echo "$LAB_HOST at $LAB_ADDRESS with $LAB_PEERS"
      if [ $LAB_HOST = 0 ]; then rping -s -C 5 >&2; exit; fi
      for try in $(seq 20); do rping -c -a lab0 -C 5 -v -V > $LAB_OUT/said 2>&1 && break; sleep 0.2; done
      ping -c 1 -W 5 $LAB_PEERS >&2 && printf 'without end' && echo $try > $LAB_OUT/tries`
    const { status, stdout } = await lab(['run', '--hosts', '2', '--out', folder, '--', 'sh', '-c', script])
    expect(linesOf(stdout).sort()).toEqual([
      '0| 0 at 10.77.0.1 with 10.77.0.2',
      '1| 1 at 10.77.0.2 with 10.77.0.1',
      '1| without end',
    ])
    expect(status).toBe(0)
    expect(readFileSync(join(folder, 'host1/said'), 'latin1').match(/^ping data: rdma-ping-/gm)).toHaveLength(5)
    expect(readdirSync(folder)).toEqual(['host1'])
  })

  test('run a command each, and the last line says how each ended', async () => {
    const server = 'nc -l -p 7000 -w 30'
    const client = 'for try in $(seq 50); do echo hello | nc -w 5 lab0 7000 && exit; sleep 0.1; done; exit 1'
    const { status, stdout, stderr } = await lab(['run', '--host0', server, '--host1', client])
    expect([status, linesOf(stdout)]).toEqual([0, ['0| hello']])
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^host 0 ended with 0 after [\d.]+ s; host 1 ended with 0 after [\d.]+ s$/,
    )
  })

  test('are stopped when one of them fails, and its status is the result', async () => {
    const script = '[ $LAB_HOST = 1 ] || exec sleep 1000; ping -c 1 -W 5 $LAB_PEERS >/dev/null; exit 5'
    const { status, stderr } = await lab(['run', '--hosts', '2', '--cpus', '1', '--json', '--', 'sh', '-c', script])
    expect(status).toBe(5)
    expect(JSON.parse(stderr).hosts).toEqual([
      null,
      { status: 5, startSeconds: expect.any(Number), seconds: expect.any(Number) },
    ])
  })
})

describe('the end of a lab', () => {
  const forever = (...options: string[]) => {
    return ['run', '--cpus', '1', '--out', join(folder, 'out'), ...options, '--', 'sh', '-c', 'echo begun; sleep 1000']
  }

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s stops the machine', async (signal, expected) => {
    const run = new LabRun(forever())
    await run.said('begun')
    expect(run.processes()).toHaveLength(1)
    run.kill(signal)
    expect((await run.ended()).status).toBe(expected)
    expect(run.processes()).toEqual([])
  })

  test('by kill -9 stops the machine, too', async () => {
    const run = new LabRun(forever())
    await run.said('begun')
    expect(run.processes()).toHaveLength(1)
    run.kill('SIGKILL')
    await run.ended()
    await run.gone()
  })

  test('by kill -9 powers off the guest, if the kernel stops nothing for lack of setpriv', async () => {
    // Imitates a machine without util-linux: PATH finds this setpriv first, and it only starts its command.
    writeFileSync(join(folder, 'setpriv'), '#!/bin/sh\nshift 3\nexec "$@"\n', { mode: 0o755 })
    const run = new LabRun(forever(), { env: { PATH: `${folder}:${process.env.PATH}` } })
    await run.said('begun')
    run.kill('SIGKILL')
    await run.ended()
    await run.gone()
  })

  test('by the time limit stops the machine, and the status is 124', async () => {
    const { status, stderr } = await lab(forever('--time-limit', '5'))
    expect(status).toBe(124)
    expect(stderr).toContain('after 5 seconds')
  })
})

describe('a command line with missing or wrong parts', () => {
  test.each([
    [['run', '--kernel', '/no/such/vmlinuz', '--', 'true'], /no readable kernel \/no\/such\/vmlinuz/, 125],
    [['run', '--kernel', '0.0.0-none', '--', 'true'], /linux-image-0\.0\.0-none/, 125],
    [['run', '--modules', '/tmp', '--', 'true'], /no kernel for these modules/, 125],
    [['run', '--kernel', '/bin/sh', '--modules', '/var/empty-or-not-there', '--', 'true'], /no folder of modules/, 125],
    [['run', '--kernel', '/bin/sh', '--modules', '/etc', '--', 'true'], /no module virtio_pci/, 125],
    [['run'], /a command after --/, 2],
    [['run', 'true'], /a command after --/, 2],
    [['run', '--arch', 'mips', '--', 'true'], /expected a processor, x64 or arm64, but received 'mips'/, 2],
    [['run', '--hosts', '9', '--', 'true'], /expected --hosts from 1 to 8, but received '9'/, 2],
    [['run', '--memory', 'much', '--', 'true'], /much/, 2],
    [['run', '--memory', '1MiB', '--', 'true'], /memory: expected 256MiB or more/, 2],
    [['run', '--env', '1x', '--', 'true'], /1x/, 2],
    [['run', '--out', '/proc/cmdline/x', '--', 'true'], /\/proc\/cmdline\/x/, 1],
    [['run', '--out', '/proc/no/such', '--', 'true'], /\/proc\/no/, 1],
    [['shell'], /no terminal/, 2],
  ])('%j is refused with a message, and nothing is started', async (words, message, expected) => {
    const { status, stderr } = await lab(words)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(status).toBe(expected)
  })
})
