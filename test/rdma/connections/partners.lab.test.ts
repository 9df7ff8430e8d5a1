import { afterAll, beforeEach, expect, test } from 'vitest'
import { Examples } from '../../support/examples.js'
import { lab, whyNoLab } from '../../support/lab.js'
import { needs } from '../../support/requirements.js'

const examples = new Examples()
afterAll(() => examples[Symbol.dispose]())
beforeEach((context) => needs(context, whyNoLab()))

test('the examples connect between two hosts, with each other and with rping of Debian', {
  timeout: 600_000,
}, async () => {
  const files = ['rping', 'echo'].map((name) => examples.file(name, true))
  const script = ['test/rdma/connections/partners.sh', process.execPath, ...files]
  const { status, stdout, stderr } = await lab(['run', '--hosts', '2', '--', 'bash', ...script])
  const done = stdout.toString().match(/(?<=ok: ).*/g) ?? []
  expect(done.sort(), stderr).toEqual([
    'our echo as server',
    'our echo with our server',
    'our rping as server',
    'our rping with our server',
    'our rping with the server of Debian',
    'rping of Debian as client',
    'rping of Debian as server',
    'rping of Debian with our server',
  ])
  expect(status).toBe(0)
})
