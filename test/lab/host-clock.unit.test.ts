import { expect, test } from 'vitest'
import { HostClock } from '../../src/lab/host-clock.js'
import { needs } from '../support/requirements.js'

test('two measurements of the host’s counter give the same frequency', async (context) => {
  needs(context, process.arch === 'x64' ? undefined : 'only x86-64 has a timestamp counter')
  const measured = [await new HostClock().kilohertz(), await new HostClock().kilohertz()]
  const [one = 0, other = 0] = measured
  expect(one).toBeGreaterThan(100_000)
  expect(other / one).toBeGreaterThan(0.999)
  expect(other / one).toBeLessThan(1.001)
})
