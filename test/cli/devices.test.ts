import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openDevice } from '../../src/rdma/devices/open-device.js'
import { jsonOf, pinfold } from '../support/command-line.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

const count = z.int().nonnegative()
const mask = z.string().regex(/^0x[0-9a-f]+$/)
const guid = z.string().regex(/^[0-9a-f]{4}(:[0-9a-f]{4}){3}$/)
const operations = z.array(z.enum(['send', 'receive', 'write', 'read', 'atomic', 'sharedReceive']))

const gidSchema = z.strictObject({
  index: count,
  gid: z.string().regex(/^[0-9a-f]{4}(:[0-9a-f]{4}){7}$/),
  type: z.enum(['IB', 'RoCE v1', 'RoCE v2', 'unknown']),
  interface: z.string().nullable(),
})

const portSchema = z.strictObject({
  port: z.int().positive(),
  state: z.string(),
  linkLayer: z.enum(['Ethernet', 'InfiniBand', 'unspecified']),
  activeMtu: count,
  maxMtu: count,
  maxMessageSize: count,
  gids: count,
  partitionKeys: count,
  lid: count,
  subnetManagerLid: count,
  lidMaskControl: count,
  capabilityFlags: count,
  gigabits: z.number().nonnegative(),
  activeWidth: count,
  activeSpeed: count,
  physicalState: count,
  gidTable: z.array(gidSchema),
  bestGid: count.nullable(),
})

const attributesSchema = z.strictObject({
  firmware: z.string(),
  nodeGuid: guid,
  systemImageGuid: guid,
  vendorId: count,
  vendorPart: count,
  hardwareVersion: count,
  ports: z.int().positive(),
  capabilities: z.array(z.string()),
  atomics: z.string(),
  maxRegistrationSize: mask,
  pageSizes: mask,
  maxQueuePairs: count,
  maxRequests: count,
  maxEntries: count,
  maxReadEntries: count,
  maxCompletionQueues: count,
  maxCompletions: count,
  maxRegistrations: count,
  maxDomains: count,
  maxWindows: count,
  maxAddressHandles: count,
  maxReadsServed: count,
  maxReadsStarted: count,
  maxSharedReceiveQueues: count,
  maxSharedRequests: count,
  maxSharedEntries: count,
  maxMulticastGroups: count,
  maxMulticastQueuePairs: count,
  maxPartitionKeys: count,
  deviceMemory: mask,
  onDemand: z.strictObject({
    supported: z.boolean(),
    implicit: z.boolean(),
    rc: operations,
    uc: operations,
    ud: operations,
  }),
  timestampMask: mask,
  clockKilohertz: mask,
})

const deviceSchema = z.strictObject({
  name: z.string(),
  kind: z.enum(['verbs', 'loopback']),
  guid,
  transport: z.string(),
  nodeType: z.string(),
  numaNode: count.nullable(),
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
  forkStatus: z.enum(['enabled', 'disabled', 'unneeded', 'unknown']).nullable(),
  attributes: attributesSchema.nullable(),
  ports: z.array(portSchema).nullable(),
})

const reportSchema = z.strictObject({ schema: z.literal('pinfold/devices/1'), devices: z.array(deviceSchema) })

describe('pinfold devices', () => {
  beforeEach((context) => needs(context, whyNotBuilt))

  test('reports the attributes of each device in its schema, and the loopback last', async () => {
    const run = await pinfold(['devices', '--json'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const { devices } = reportSchema.parse(jsonOf(run))
    const loopback = devices.at(-1)
    using device = openDevice({ loopback: true })
    expect(loopback).toMatchObject({ name: device.name, kind: 'loopback', error: null, forkStatus: device.forkStatus })
    expect(loopback?.attributes).toMatchObject({
      maxRequests: device.attributes.maxRequests,
      pageSizes: `0x${device.attributes.pageSizes.toString(16)}`,
      capabilities: device.attributes.capabilities,
    })
    const [port] = loopback?.ports ?? []
    const best = device.bestGid(1)
    expect(port).toMatchObject({ ...device.port(1), bestGid: best.index })
    // The loopback network of another process has other GIDs.
    const gid = expect.stringMatching(/^fe80(:0000){3}(:[0-9a-f]{4}){4}$/)
    expect(port?.gidTable).toContainEqual({ index: best.index, gid, type: best.type, interface: null })
  })

  test('prints a block of text: state, GID table, and that the loopback is in this process', async () => {
    const { code, stdout, stderr } = await pinfold(['devices'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^loopback0 {2}in this process/m)
    expect(stdout).toMatch(/^ {2}port 1 +ACTIVE, Ethernet, MTU 4096$/m)
    expect(stdout).toMatch(/^ +gid {2}address +type +interface$/m)
    expect(stdout).toMatch(/^ +0 {2}fe80:\S+ +RoCE v2 +- +used by default$/m)
    expect(stdout).not.toContain('max_qp')
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(110)
  })

  test('shows with --verbose the attributes of ibv_devinfo -v, by the same names', async () => {
    const { stdout } = await pinfold(['devices', 'loopback0', '--verbose'])
    for (const word of ['max_mr_size', 'max_qp_wr', 'atomic_cap', 'device_cap_flags', 'gid_tbl_len', 'phys_state']) {
      expect(stdout).toMatch(new RegExp(`^ +${word} +\\S`, 'm'))
    }
    expect(stdout).not.toContain('no real device')
  })

  test('refuses an unknown device with an error, as text and as JSON', async () => {
    const words = ['devices', 'mlx5_77']
    const { code, stdout, stderr } = await pinfold(words)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain("no RDMA device 'mlx5_77'")
    expect(jsonOf(await pinfold([...words, '--json']))).toMatchObject({
      schema: 'pinfold/error/1',
      code: 'ERR_DEVICE_UNKNOWN',
      values: { device: 'mlx5_77' },
    })
  })
})
