// The entry 'pinfold/testing': tools for the tests of programs that use pinfold. It only re-exports.

export {
  type ConnectedEnd,
  type ConnectedPair,
  type ConnectedPairOptions,
  connectedPair,
  type PairQueueOptions,
} from './connected-pair.js'
export { type FaultInjection, type FaultOptions, type InjectOptions, injectFaults } from './faults.js'
export { type Fixtures, fixtures, type TestFixtures, type UseFixture } from './fixtures.js'
export { expectNoLeaks, type LeakCheck, type LeakOptions, type LeakScope, leakCheck } from './leaks/leak-check.js'
export type { VerbName } from './verb-names.js'
export type { WeatherEvent, WeatherNote } from './weather/log.js'
export type { FailureStatus, TurnsRange, WeatherOptions, WeatherTurns } from './weather/plan.js'
export { type Weather, weather } from './weather/weather.js'
