import { describe, expect, test } from 'vitest'
import { Device } from '../../src/rdma/device.js'
import { loopbackProvider } from '../../src/rdma/loopback/index.js'
import { judge } from './conformance/judge.js'
import { suite } from './conformance/suite.js'

const open = () => new Device('loopback0', 'loopback', loopbackProvider.open('loopback0'))

describe('the loopback keeps the contract:', () => {
  test.for(suite.map((one) => [`${one.group}: ${one.name}`, one] as const))('%s', async ([, one], { skip }) => {
    const { state, detail } = await judge(one, open)
    if (state === 'unsupported') skip(detail)
    expect(state === 'passed' ? one.expects : detail).toBe(one.expects)
  })
})
