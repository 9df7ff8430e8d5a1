import { beforeEach, describe, expect, test } from 'vitest'
import { Program } from '../../support/child-process.js'
import { needs, whyNotBuilt } from '../../support/requirements.js'
import { program } from '../../support/returned-pages.js'

/** Longer: PINFOLD_SOAK_MINUTES=10. */
const seconds = Number(process.env.PINFOLD_SOAK_MINUTES ?? 0.05) * 60
const place = JSON.stringify({ name: 'traffic' })
const whole = {
  transfers: expect.toSatisfy((count: number) => count > 10),
  regions: expect.toSatisfy((count: number) => count > 30),
  wrong: 0,
  left: [],
}

beforeEach((context) => needs(context, whyNotBuilt))

const start = (role: string) => new Program(program('traffic.mjs', [role, seconds, 'loopback0', place, 7]))

describe('traffic both ways, while regions are allocated and closed, arrives whole and leaves nothing:', () => {
  test.each([
    { where: 'in one thread', role: 'both' },
    { where: 'between two threads', role: 'threads' },
  ])('$where', { timeout: seconds * 2000 + 60_000 }, async ({ role }) => {
    await using child = start(role)
    expect(JSON.parse(await child.line())).toEqual({ listens: { name: 'traffic' } })
    expect(JSON.parse(await child.line())).toMatchObject({ role: 'server', ...whole })
    expect(JSON.parse(await child.line())).toMatchObject({ role: 'client', ...whole })
    expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
  })

  test('between two processes', { timeout: seconds * 2000 + 60_000 }, async () => {
    await using server = start('server')
    await server.line()
    await using client = start('client')
    expect(JSON.parse(await client.line())).toMatchObject({ role: 'client', ...whole })
    expect(JSON.parse(await server.line())).toMatchObject({ role: 'server', ...whole })
    for (const { ended } of [client, server]) expect(await ended).toEqual({ code: 0, signal: null, stderr: '' })
  })
})
