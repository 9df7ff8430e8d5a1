import { expect, test } from 'vitest'
import { basePageSize } from '../../src/index.js'
import { asNobody, Child } from '../support/child-process.js'
import { needs, whyNotNobody, whyNotRoot } from '../support/requirements.js'

const pages = (64 * 1024) / basePageSize

const whyNotLess = whyNotRoot('give up privileges')

const without = {
  'root without CAP_SYS_ADMIN': {
    prefix: ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'],
    hint: 'docker run --cap-add SYS_ADMIN …',
    ofInit: undefined,
    search: 'ERR_PFN_HIDDEN',
    reason: () => whyNotLess,
  },
  'a user without any capability': {
    prefix: [...asNobody, '--bounding-set=-all'],
    hint: `sudo setcap cap_sys_admin+ep ${process.execPath}`,
    ofInit: 'ERR_PERMISSION',
    // Only root may open /proc/kpageflags, which is read first.
    search: 'ERR_PERMISSION',
    reason: whyNotNobody,
  },
}

test.for(Object.entries(without))('%s gets page frames as hidden, and never as address 0', async ([, row], context) => {
  const { prefix, hint, ofInit, search, reason } = row
  needs(context, reason())
  await using child = new Child('hidden-frames.ts', [], prefix)
  const told = JSON.parse(await child.line())

  const hidden = { code: 'ERR_PFN_HIDDEN', hint }
  expect(told).toMatchObject({
    states: { present: 0, hidden: pages, swapped: 0, absent: 0 },
    verified: true,
    contiguous: false,
    physicalAt: hidden,
    runs: hidden,
    offsetOf: hidden,
    pageFlags: hidden,
    virtToPhys: hidden,
  })
  expect(told.inspected.state).toBe('hidden')
  expect(told.inspected).not.toHaveProperty('physicalAddress')
  expect(told.map).toEqual({ runs: 0, bytes: { present: 0, hidden: 65536, swapped: 0 }, entries: [pages] })
  expect(told.findMappings.code).toBe(search)
  expect(told.ofInit.code).toBe(ofInit ?? told.ofInit.code)
  expect((await child.ended).code).toBe(0)
})

test('a process that may not read its own pagemap gets a permission error', async (context) => {
  needs(context, whyNotLess)
  await using child = new Child('another-user.ts', [])
  expect(await child.line()).toBe('ERR_PERMISSION')
  expect((await child.ended).code).toBe(0)
})
