import { beforeEach, describe, expect, test } from 'vitest'
import { mainScript } from '../support/command-line.js'
import { lab, whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNoLab()))

describe('with Soft-RoCE', () => {
  test('devices, doctor and the demo find rxe0 and describe it', { timeout: 300_000 }, async () => {
    const words = ['devices --json', 'doctor --only rdma --json', 'demo --json']
    const commands = words.map((word) => `"${process.execPath}" "${mainScript}" ${word}`)
    // This line separates the objects. No object contains it.
    const { status, stdout, stderr } = await lab(['run', '--', 'sh', '-c', commands.join(' && echo ---- && ')])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const [devices, doctor, demo] = stdout
      .toString()
      .split('\n----\n')
      .map((text) => JSON.parse(text))

    expect(devices.devices.map(({ name }: { name: string }) => name)).toEqual(['rxe0', 'loopback0'])
    const [rxe] = devices.devices
    expect(rxe).toMatchObject({ kind: 'verbs', transport: 'IB', nodeType: 'CA', error: null, forkStatus: 'unneeded' })
    expect(rxe.attributes.onDemand.supported).toBe(false)
    const [port] = rxe.ports
    expect(port).toMatchObject({ port: 1, state: 'ACTIVE', linkLayer: 'Ethernet', activeMtu: 4096 })
    expect(port.gidTable).toContainEqual({
      index: port.bestGid,
      gid: expect.stringMatching(/^(0000:){5}ffff:/),
      type: 'RoCE v2',
      interface: 'eth0',
    })

    const check = (id: string) => doctor.checks.find((check: { id: string }) => check.id === id)
    expect(check('rdma.device.rxe0')).toMatchObject({ status: 'ok', seen: expect.stringMatching(/^port 1 ACTIVE/) })
    expect(check('rdma.nodes')).toMatchObject({ status: 'ok', values: { usable: ['/dev/infiniband/uverbs0'] } })
    expect(check('rdma.fork')).toMatchObject({ status: 'ok' })
    expect(check('rdma.devices')).toBeUndefined()

    expect(demo.device).toMatchObject({ name: 'rxe0', kind: 'verbs', passedOver: [], write: { differences: 0 } })
    expect(demo.left).toMatchObject({ nothing: true })
  })
})
