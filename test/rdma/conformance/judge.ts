import { type Case, Unsupported, type Verdict } from './case.js'
import { Kit } from './kit.js'
import type { Device } from './rdma.js'

/** Runs a case on a device of its own, and returns its result. */
export async function judge(one: Case, open: () => Device): Promise<Verdict> {
  const { group, name, expects } = one
  const verdict = (state: Verdict['state'], detail = ''): Verdict => ({ group, name, expects, state, detail })
  const kit = new Kit(open)
  let seen: Verdict
  try {
    const outcome = await one.run(kit)
    seen = outcome === expects ? verdict('passed') : verdict('failed', outcome)
  } catch (error) {
    seen = error instanceof Unsupported ? verdict('unsupported', error.message) : verdict('failed', textOf(error))
  }
  try {
    kit.close()
  } catch (error) {
    // A failing close is a failure of its own, but must not hide an earlier failure.
    if (seen.state !== 'failed') return verdict('failed', `close: ${textOf(error)}`)
  }
  return seen
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
