import { describe, expect, test } from 'vitest'
import { Device } from '../../src/rdma/device.js'
import { loopbackProvider } from '../../src/rdma/loopback/index.js'
import { type WeatherOptions, weather } from '../../src/testing/index.js'
import { judge } from '../rdma/conformance/judge.js'
import { suite } from '../rdma/conformance/suite.js'

// Bad weather may delay what a device does, but never changes what it does: the whole contract holds in it.

/** Cases that post more requests than may be outstanding, and so need a device that carries each out at once. */
const needsCalm = /^completion queues: .*overr[au]n/

const weathers: readonly WeatherOptions[] = [{}, { delay: { least: 0, most: 3 }, reorder: true, loss: 0.1 }]

describe.each(weathers)('in weather %j the loopback keeps the contract:', (options) => {
  const open = () => {
    const device = new Device('loopback0', 'loopback', loopbackProvider.open('loopback0'))
    weather(device, options)
    return device
  }
  test.for(suite.map((one) => [`${one.group}: ${one.name}`, one] as const))('%s', async ([, one], { skip }) => {
    if (options.delay !== undefined && needsCalm.test(`${one.group}: ${one.name}`))
      skip('it posts too fast for a delay')
    const { state, detail } = await judge(one, open)
    if (state === 'unsupported') skip(detail)
    expect(state === 'passed' ? one.expects : detail).toBe(one.expects)
  })
})
