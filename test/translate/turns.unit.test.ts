import { describe, expect, test } from 'vitest'
import { translateRegionAsync } from '../../src/translate/translation.js'
import { atOnce, Turns } from '../../src/translate/turns.js'

/** Steps that take longer than the event loop may wait. */
function* longSteps(ended: string[] = []): Generator<void, string> {
  try {
    for (let step = 0; step < 5; step++) {
      for (const end = performance.now() + 8; performance.now() < end; );
      yield
    }
    return 'done'
  } finally {
    ended.push('ended')
  }
}

/** Counts how often the event loop turns until `work` is over. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0
  let isOver = false
  const turn = () => {
    turns += 1
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  await work
  isOver = true
  return turns
}

describe('long work', () => {
  test('lets the event loop turn after each step that takes long', async () => {
    expect(await turnsDuring(new Turns().run(longSteps()))).toBeGreaterThanOrEqual(4)
    expect(atOnce(longSteps())).toBe('done')
  })

  test('that is aborted ends with the reason, and does what it has to do at its end', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const ended: string[] = []
    setImmediate(() => controller.abort(reason))
    await expect(new Turns(controller.signal).run(longSteps(ended))).rejects.toBe(reason)
    expect(ended).toEqual(['ended'])
    expect(() => new Turns(controller.signal)).toThrow(reason)
  })

  test('on a region that is closed between two steps is refused', async () => {
    let asked = 0
    const range = {
      name: 'rx',
      address: 0n,
      size: 2 ** 30,
      pageSize: 4096,
      get closed() {
        asked += 1
        return asked > 3
      },
    }
    await expect(translateRegionAsync(range, {})).rejects.toThrowCode('ERR_REGION_CLOSED')
    expect(asked).toBe(4)
  })
})
