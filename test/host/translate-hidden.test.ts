import { expect, test } from 'vitest'
import { basePageSize } from '../../src/index.js'
import { Child } from '../child-process.js'

const isRoot = process.getuid?.() === 0
const pages = (64 * 1024) / basePageSize

const without = {
  'root without CAP_SYS_ADMIN': {
    prefix: ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'],
    hint: 'docker run --cap-add SYS_ADMIN …',
    ofInit: undefined,
  },
  'a user without any capability': {
    prefix: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all'],
    hint: `sudo setcap cap_sys_admin+ep ${process.execPath}`,
    ofInit: 'ERR_PERMISSION',
  },
}

test.skipIf(!isRoot).each(Object.entries(without))(
  `%s is told that page frames are hidden, and never 0${isRoot ? '' : ' (skipped: needs root)'}`,
  async (_, { prefix, hint, ofInit }) => {
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
    expect(told.ofInit.code).toBe(ofInit ?? told.ofInit.code)
    expect((await child.ended).code).toBe(0)
  },
)

test.skipIf(!isRoot)(
  `a process that may not read its own pagemap is told so${isRoot ? '' : ' (skipped: needs root)'}`,
  async () => {
    await using child = new Child('another-user.ts', [])
    expect(await child.line()).toBe('ERR_PERMISSION')
    expect((await child.ended).code).toBe(0)
  },
)
