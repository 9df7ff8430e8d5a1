import { describe, expect, test } from 'vitest'
import { Device } from '../../src/rdma/device.js'
import { openLoopback } from '../../src/rdma/loopback/device.js'
import { judge } from './conformance/judge.js'
import { suite } from './conformance/suite.js'

describe.each([
  { way: 'in one thread', isApart: false },
  { way: 'over sockets, as between processes', isApart: true },
])('the loopback keeps the contract $way:', ({ isApart }) => {
  const open = () => new Device('loopback0', 'loopback', openLoopback(isApart))

  test.for(suite.map((one) => [`${one.group}: ${one.name}`, one] as const))('%s', async ([, one], { skip }) => {
    const { state, detail } = await judge(one, open)
    if (state === 'unsupported') skip(detail)
    expect(state === 'passed' ? one.expects : detail).toBe(one.expects)
  })
})
