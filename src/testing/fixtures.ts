import type { Device } from '../rdma/device.js'
import { openDevice } from '../rdma/devices/open-device.js'
import type { MemoryRegistry } from '../registry/memory-registry.js'
import { openRegistrySync } from '../registry/open-registry.js'
import { type ConnectedPair, connectedPair } from './connected-pair.js'
import { type LeakCheck, leakCheck } from './leaks/leak-check.js'

/** What the fixtures give to a test. */
export interface TestFixtures {
  /** The device that the other fixtures open: a name, or the loopback. Default: the loopback. */
  readonly deviceName: string | { readonly loopback: true }
  /** Looks at the end of each test whether all that was opened is closed. It is used by every test. */
  readonly noLeaks: LeakCheck
  /** An open device. */
  readonly device: Device
  /** An empty registry, with a budget of 1 GiB, so that a runaway test is an error and not a full machine. */
  readonly memory: MemoryRegistry
  /** Two connected queue pairs on `device`. */
  readonly pair: ConnectedPair
}

/** Gives its value to the test, and resolves when the test has ended. */
export type UseFixture<Value> = (value: Value) => Promise<void>

/**
 * Fixtures for vitest: `const test = base.extend<TestFixtures>(fixtures)`. Each test gets things of its own, which are closed
 * at its end, and the test fails if it has left something else open. On a real device:
 * `base.extend<TestFixtures>({ ...fixtures, deviceName: 'rxe0' })`.
 *
 * They are plain functions: this package does not import vitest.
 */
export const fixtures: Fixtures = {
  deviceName: { loopback: true },
  noLeaks: [
    // From the pattern, vitest reads what a fixture needs. Each test has a task.
    async ({ task: _ }, use) => {
      await using check = leakCheck()
      await use(check)
    },
    { auto: true },
  ],
  device: async ({ deviceName, noLeaks: _ }, use) => {
    using device = openDevice(deviceName)
    await use(device)
  },
  memory: async ({ noLeaks: _ }, use) => {
    using memory = openRegistrySync({ budget: '1GiB' })
    await use(memory)
  },
  pair: async ({ device }, use) => {
    using pair = connectedPair({ device })
    await use(pair)
  },
}

/** The type of `fixtures`: for each property of TestFixtures, its value or a function that gives it. */
export interface Fixtures {
  readonly deviceName: { readonly loopback: true }
  readonly noLeaks: [
    fixture: (needs: { readonly task: unknown }, use: UseFixture<LeakCheck>) => Promise<void>,
    options: { readonly auto: true },
  ]
  readonly device: (needs: Pick<TestFixtures, 'deviceName' | 'noLeaks'>, use: UseFixture<Device>) => Promise<void>
  readonly memory: (needs: Pick<TestFixtures, 'noLeaks'>, use: UseFixture<MemoryRegistry>) => Promise<void>
  readonly pair: (needs: Pick<TestFixtures, 'device'>, use: UseFixture<ConnectedPair>) => Promise<void>
}
