import { fileURLToPath } from 'node:url'
import { beforeEach, expect, test } from 'vitest'
import { Program } from '../../support/child-process.js'
import { needs, whyNotBuilt } from '../../support/requirements.js'

const program = fileURLToPath(new URL('../../support/programs/loopback-exit.mjs', import.meta.url))

beforeEach((context) => needs(context, whyNotBuilt))

test('a connection to another process without outstanding requests lets the process end', async () => {
  await using idle = new Program([process.execPath, program, 'idle'])
  expect(await idle.ended).toEqual({ code: 0, signal: null, stderr: '' })
})

test('a request without an answer keeps the process until it has failed', async () => {
  await using outstanding = new Program([process.execPath, program, 'outstanding'])
  expect(await outstanding.line()).toBe('RETRY_EXC_ERR')
  expect(await outstanding.ended).toEqual({ code: 0, signal: null, stderr: '' })
})

test('a wait for a message of another process keeps the process until the message has come', async () => {
  await using waiting = new Program([process.execPath, program, 'waiting'])
  expect(await waiting.line()).toBe('SUCCESS')
  expect(await waiting.ended).toEqual({ code: 0, signal: null, stderr: '' })
})

test('a request that the peer has no receive for keeps the process until it has failed', async () => {
  await using delayed = new Program([process.execPath, program, 'delayed'])
  expect(await delayed.line()).toBe('RNR_RETRY_EXC_ERR')
  expect(await delayed.ended).toEqual({ code: 0, signal: null, stderr: '' })
})

test('a message of an unreliable connection, which a stopped peer does not take, lets the process end', async () => {
  await using unreliable = new Program([process.execPath, program, 'unreliable'])
  expect(await unreliable.line()).toBe('SUCCESS')
  expect(await unreliable.ended).toEqual({ code: 0, signal: null, stderr: '' })
})
