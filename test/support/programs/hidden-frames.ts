import { findMappings, inspectPage, openRegistrySync, PinfoldError, virtToPhys } from '../../../src/index.js'

// Runs in a process that may not see page frame numbers, and prints the outcome of each call as one line of JSON.

function failure(call: () => unknown): { code?: string; hint?: string | undefined } {
  try {
    call()
    return {}
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    return { code: error.code, hint: error.hint }
  }
}

const memory = openRegistrySync({ regions: { rx: { size: '64KiB', pages: 'base' } } })
const { rx } = memory.regions
const translation = rx.translate()
const inspected = inspectPage(rx.bytes)
const map = rx.map()
const search = await findMappings(2 ** 24).then(
  () => ({}),
  (error) => ({ code: error.code, hint: error.hint }),
)
console.log(
  JSON.stringify({
    states: translation.states,
    verified: translation.verify().intact,
    contiguous: translation.contiguous,
    inspected: { state: inspected.state, physicalAddress: inspected.physicalAddress },
    physicalAt: failure(() => translation.physicalAt(0)),
    runs: failure(() => translation.runs()),
    offsetOf: failure(() => translation.offsetOf(0)),
    pageFlags: failure(() => translation.pageFlags),
    virtToPhys: failure(() => virtToPhys(rx.bytes)),
    map: { runs: map.runs.length, bytes: map.bytes, entries: map.entries.map(({ entries }) => entries) },
    findMappings: search,
    ofInit: failure(() => virtToPhys(rx.address, { pid: 1 })),
  }),
)
memory.close()
