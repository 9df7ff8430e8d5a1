import { closeSync, openSync } from 'node:fs'
import { openRegistrySync } from '../../../src/index.js'

// Another process that maps a shared file whole. It prints the address when every page is mapped, and stays.

const [, , path = '', size = '', pages = ''] = process.argv
const memory = openRegistrySync()
const descriptor = openSync(path, 'r+')
const region = memory.allocateSync('mapped', { size: Number(size), pages, backing: { descriptor, mayShrink: true } })
closeSync(descriptor)
region.view(0, 1)[0] = 1
console.log(`0x${region.address.toString(16)}`)
process.stdin.resume()
process.on('exit', () => memory.close())
