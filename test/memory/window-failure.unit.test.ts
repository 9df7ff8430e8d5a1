import { constants } from 'node:os'
import { expect, test } from 'vitest'
import { RegionCore, windowFailure } from '../../src/memory/region-core.js'

// No version of Node.js refuses external ArrayBuffers, so the test makes the error that native code would throw.
test('a runtime that refuses external ArrayBuffers is an error of its own, with a hint', () => {
  const syscall = 'napi_create_external_arraybuffer'
  const refusal = Object.assign(new Error(`${syscall}: not supported`), { syscall, errno: constants.errno.EOPNOTSUPP })
  expect(windowFailure(refusal)).toMatchObject({
    name: 'PinfoldError',
    code: 'ERR_EXTERNAL_BUFFERS',
    syscall,
    hint: expect.stringContaining('Node.js'),
    cause: refusal,
  })
})

test('a window that fails for another reason is a system error', () => {
  const region = {
    attachment: 2 ** 50,
    region: 1,
    address: 0,
    size: 1,
    pageSize: 1,
    name: 'nowhere',
    description: '',
  }
  const core = new RegionCore(region, { pages: 'base', pageSize: 1, passedOver: [] })
  expect(() => core.window(0)).toThrowCode('ERR_SYSTEM', { name: 'PinfoldError' })
})
