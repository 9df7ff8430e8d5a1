// A key-value store over RDMA, for two hosts. The server keeps its table in a registered region. A client gets a value by
// RDMA reads of the table, for which the server's program does nothing. A client puts a value by a send, so that the
// server alone writes to the table.
import { openDevice } from 'pinfold'
import { type Store, withStore } from './client.mts'
import { serve } from './server.mts'
import { longestPair, slotBytes } from './table.mts'

const [pairs, hotPuts] = [100, 200]

async function microseconds(count: number, act: (number: number) => Promise<void>): Promise<string> {
  const begun = performance.now()
  for (let number = 0; number < count; number++) await act(number)
  return `${(((performance.now() - begun) / count) * 1000).toFixed(0)} µs each`
}

async function tryStore(store: Store): Promise<void> {
  const valueOfPair = (number: number) => Buffer.alloc(40 * number, number + 1)
  const putTime = await microseconds(pairs, async (number) => {
    await store.put(`key ${number}`, valueOfPair(number))
  })
  console.log(`client: ${pairs} pairs put, ${putTime}`)
  const getTime = await microseconds(pairs, async (number) => {
    const found = await store.get(`key ${number}`)
    if (found?.value.equals(valueOfPair(number)) !== true)
      throw new Error(`key ${number} has another value than was put`)
  })
  console.log(`client: ${pairs} pairs got, ${getTime}, and each is as it was put`)

  // One pair is put again and again, and read meanwhile. All bytes of each value are the same.
  let [isPutting, reads] = [true, 0]
  const putting = microseconds(hotPuts, async (number) => {
    await store.put('hot', Buffer.alloc(longestPair - 'hot'.length, number))
  }).finally(() => {
    isPutting = false
  })
  for (; isPutting; reads++) {
    const value = (await store.get('hot'))?.value ?? Buffer.alloc(1)
    if (!value.every((byte) => byte === value[0])) throw new Error('a torn value was not noticed')
  }
  await putting
  console.log(
    `client: ${hotPuts} puts of one pair, ${reads} gets meanwhile: ${store.torn} slots arrived torn, and were read again`,
  )
  console.log(`client: a key that nobody has put: ${await store.get('nobody')}`)
  await store.put('long', Buffer.alloc(slotBytes)).catch((error) => console.log(`client: refused: ${error.message}`))
}

// Without an argument: both sides, on the loopback. 'serve': a server for one client, or for so many. A host's name: a client of it.
const [, , role, clients = '1'] = process.argv
if (!/^[1-9]\d{0,5}$/.test(clients))
  throw new Error(`clients: expected a whole number from 1 on, received '${clients}'`)
using device = role === undefined ? openDevice({ loopback: true }) : openDevice()
if (role === undefined) await Promise.all([serve(device, 1), withStore(device, 'localhost', tryStore)])
else if (role === 'serve') await serve(device, Number(clients))
else await withStore(device, role, tryStore)
