import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { openDevice, openRegistrySync, type QueuePair } from '../../src/index.js'
import { Program } from '../support/child-process.js'
import { Examples, outputsShown } from '../support/examples.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

const port = 18600
const examples = new Examples()
afterAll(() => examples[Symbol.dispose]())
beforeEach((context) => needs(context, whyNotBuilt))

describe('the key-value store', () => {
  test('puts and gets on one device when both sides are in one process', () => {
    const { status, stdout, stderr } = examples.run('key-value-store')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(outputsShown('key-value-store')[0] ?? /nothing/)
  })

  test('serves a client of another process on the loopback', async () => {
    await using server = new Program([process.execPath, examples.file('key-value-store'), 'serve', '1'])
    expect(await server.line()).toMatch(/^server: 1024 slots/)
    await using client = new Program([process.execPath, examples.file('key-value-store'), 'localhost'])
    expect(await client.line()).toMatch(/^client: 100 pairs put/)
    expect(await client.line()).toMatch(/^client: 100 pairs got, .* and each is as it was put$/)
    expect(await client.ended).toEqual({ code: 0, signal: null, stderr: '' })
    expect(await server.ended).toEqual({ code: 0, signal: null, stderr: '' })
  })

  test('goes on serving after clients that say nonsense or leave, and ends after the last', async () => {
    await using server = new Program([process.execPath, examples.file('key-value-store'), 'serve', '3'])
    expect(await server.line()).toMatch(/^server: 1024 slots of 4096 bytes on \S+, port 18600$/)
    using device = openDevice()
    const domain = device.createDomain()
    const sendQueue = device.createCompletionQueue({ entries: 64 })
    const identity = { name: 'stranger', generation: 1n }
    const connect = (queuePair: QueuePair) => device.connect({ address: 'localhost', port, queuePair, identity })

    // One that leaves at once.
    await (await connect(domain.createQueuePair({ sendQueue }))).disconnect()
    expect(await server.line()).toBe('server: client 1: the peer has disconnected')
    // One that sends no pair, and one that sends more than a receive can hold.
    const memory = openRegistrySync({ regions: { buffers: { size: '16KiB', pages: 'base' } } })
    const buffers = memory.registerSync(memory.regions.buffers, domain, ['localWrite'])
    const asking = domain.createQueuePair({ sendQueue })
    const connection = await connect(asking)
    const answer = asking.receive({ memory: buffers.slice(8192, 4) })
    await asking.request({ operation: 'send', memory: buffers.slice(0, 8) })
    expect((await answer).bytes).toBe(4)
    expect(memory.regions.buffers.bytes.subarray(8192, 8196)).toEqual(new Uint8Array(4)) // refused
    await connection.disconnect()
    expect(await server.line()).toBe('server: client 2: the peer has disconnected')
    const flooding = domain.createQueuePair({ sendQueue })
    const flood = await connect(flooding)
    await expect(flooding.request({ operation: 'send', memory: buffers.slice(0, 8192) })).rejects.toMatchObject({
      // The server ends the connection. Its word may come before the answer to the request.
      values: { status: expect.stringMatching(/^(REM_|WR_FLUSH)/) },
    })
    expect(await server.line()).toMatch(/^server: client 3: /)
    await flood.disconnect()
    device.close({ force: true })
    memory.close()
    expect(await server.ended).toEqual({ code: 0, signal: null, stderr: '' })
  })

  test('tells a client that its server has gone', async () => {
    await using server = new Program([process.execPath, examples.file('key-value-store'), 'serve', '1'])
    await server.line()
    await using client = new Program([process.execPath, examples.file('key-value-store'), 'localhost'])
    await client.line()
    await server.kill('SIGKILL')
    const { code, stderr } = await client.ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/ERR_REQUEST_FAILED|ERR_QUEUE_PAIR_STATE/)
  })

  test('tells a client whose address is wrong', async () => {
    const { status, stdout, stderr } = examples.run('key-value-store', ['no-such-host.invalid'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain('no server at no-such-host.invalid: ')
  })

  test('tells a server whose port is in use', async () => {
    using device = openDevice()
    await using _listener = device.listen({ address: '0.0.0.0', port })
    const { status, stderr } = examples.run('key-value-store', ['serve'])
    expect(status).toBe(1)
    expect(stderr).toContain('ERR_ADDRESS_IN_USE')
  })

  test.each(['0', 'many', '-1'])('refuses %j clients', (clients) => {
    const { status, stdout, stderr } = examples.run('key-value-store', ['serve', clients])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(`clients: expected a whole number from 1 on, received '${clients}'`)
  })
})

describe('the table of the key-value store', () => {
  test('takes a slot for torn that was cut, that is being written, or of which any byte is another', async () => {
    const { decodeSlot, encodeSlot } = await import('../../examples/key-value-store/table.mts')
    const whole = encodeSlot({ version: 4, key: 'key', value: Buffer.from('value') })
    expect(decodeSlot(whole)).toEqual({ version: 4, key: 'key', value: Buffer.from('value') })
    for (let length = 0; length < whole.length; length++) expect(decodeSlot(whole.subarray(0, length))).toBe('torn')
    for (let at = 0; at < whole.length; at++) {
      const other = Buffer.from(whole)
      other[at] = (other[at] ?? 0) ^ 2
      expect(decodeSlot(other)).toBe('torn')
    }
    expect(decodeSlot(encodeSlot({ version: 5, key: 'key', value: Buffer.from('value') }))).toBe('torn')
    expect(decodeSlot(new Uint8Array(4096))).toBe('unused')
  })

  test('refuses a new key when all of its slots are used, and still changes the keys that it has', async () => {
    const { decodeSlot, putPair, slotBytes } = await import('../../examples/key-value-store/table.mts')
    const table = new Uint8Array(2 * slotBytes)
    const put = (key: string, value: string) => putPair(table, { version: 0, key, value: Buffer.from(value) })
    expect([put('a', '1'), put('b', '1'), put('c', '1'), put('a', '2')]).toEqual([2, 2, 0, 4])
    const pairs = [0, 1].map((slot) => decodeSlot(table.subarray(slot * slotBytes, (slot + 1) * slotBytes)))
    expect(pairs).toContainEqual({ version: 4, key: 'a', value: Buffer.from('2') })
    expect(pairs).toContainEqual({ version: 2, key: 'b', value: Buffer.from('1') })
  })
})
