import { readdirSync, readlinkSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openRegistrySync } from '../../../src/index.js'

// Another program, which owns shared memory. It prints the number of its descriptor, and then, for every line on stdin,
// the first five bytes.

const memory = openRegistrySync()
const region = memory.allocateSync('owned', { size: Number(process.argv[2]), pages: 'base' })
region.bytes.set(Buffer.from('hello'))
const isOurs = (number: string) => {
  try {
    return readlinkSync(`/proc/self/fd/${number}`) === '/memfd:pinfold:owned (deleted)'
  } catch {
    return false // the descriptor of the folder itself
  }
}
console.log(readdirSync('/proc/self/fd').find(isOurs))
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(Buffer.from(region.view(0, 5)).toString('latin1'))
}
