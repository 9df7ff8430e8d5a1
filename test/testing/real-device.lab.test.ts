import { beforeEach, expect, test } from 'vitest'
import { root } from '../support/child-process.js'
import { lab, whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNoLab()))

test('pairs, leaks and faults are the same on Soft-RoCE, which has no weather', { timeout: 600_000 }, async () => {
  const { status, stdout, stderr } = await lab([
    'run',
    '--',
    process.execPath,
    `${root}test/support/programs/testing-in-lab.mjs`,
  ])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const arrived = ['SUCCESS', 'SUCCESS', 'SUCCESS', 7, 7]
  expect(JSON.parse(stdout.toString())).toEqual({
    statuses: [...arrived, ...arrived],
    ofDevice: ['nothing', { code: expect.stringMatching(/REFUSED|MEMLOCK/), syscall: 'ibv_reg_mr' }, 'nothing'],
    weathered: { code: 'ERR_UNSUPPORTED' },
    half: { code: 'ERR_DEVICE_REFUSED', syscall: 'ibv_create_qp' },
    queuePairs: 2,
    leak: {
      code: 'ERR_LEFT_OPEN',
      left: [
        'device rxe0',
        expect.stringMatching(/^domain/),
        'descriptors of /dev/infiniband/uverbs0: 1 more',
        'descriptors of anon_inode:[infinibandevent]: 1 more',
      ],
    },
  })
})
