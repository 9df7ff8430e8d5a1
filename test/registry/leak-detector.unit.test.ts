import { expect, test } from 'vitest'
import { LeakDetector } from '../../src/registry/leak-detector.js'
import { collected } from '../support/garbage-collection.js'

function allocateIn(detector: LeakDetector): string | undefined {
  return detector.capture(allocateIn)
}

/** This function has a frame of its own, so that nothing on the stack keeps the object. */
function watchOne(detector: LeakDetector, report: () => void): object {
  const token = {}
  detector.watch({ bytes: new Uint8Array(16) }, token, report)
  return token
}

test('an object that is dropped is reported, once', async () => {
  const detector = new LeakDetector('all')
  let reports = 0
  watchOne(detector, () => {
    reports += 1
  })
  await collected(() => reports > 0)
  await collected(() => true)
  expect(reports).toBe(1)
})

test('an object that was closed first is not reported', async () => {
  const detector = new LeakDetector('all')
  let [closed, dropped] = [0, 0]
  const token = watchOne(detector, () => {
    closed += 1
  })
  detector.forget(token)
  watchOne(detector, () => {
    dropped += 1
  })
  await collected(() => dropped > 0)
  expect(closed).toBe(0)
})

test('an object is reported also if the detector itself was dropped', async () => {
  let reported = false
  watchOne(new LeakDetector('all'), () => {
    reported = true
  })
  await collected(() => reported)
  expect(reported).toBe(true)
})

test('a stack starts where the allocation was called', () => {
  const stack = allocateIn(new LeakDetector('all'))
  expect(stack?.split('\n')[0]).toMatch(/^ {4}at .*leak-detector\.unit\.test\.ts/)
  expect(stack).not.toContain('allocateIn')
})

test('off captures nothing; sampled captures one in 128', () => {
  expect(allocateIn(new LeakDetector('off'))).toBeUndefined()

  let turn = 0
  const detector = new LeakDetector('sampled', () => turn++ % 128 === 0)
  const stacks = Array.from({ length: 256 }, () => allocateIn(detector)).filter((stack) => stack !== undefined)
  expect(stacks).toHaveLength(2)

  const byChance = new LeakDetector('sampled')
  let captured = 0
  for (let at = 0; at < 12_800; at++) captured += allocateIn(byChance) === undefined ? 0 : 1
  // About 100 are expected. The limits are ten standard deviations away.
  expect(captured).toBeGreaterThan(0)
  expect(captured).toBeLessThan(200)
})

test('a captured stack does not keep the objects of its frames', async () => {
  class Caller {
    readonly large = new Uint8Array(1024)
    allocate(detector: LeakDetector): string | undefined {
      return allocateIn(detector)
    }
  }
  const stacks: (string | undefined)[] = []
  const detector = new LeakDetector('all')
  let reported = false
  const run = () => {
    const caller = new Caller()
    detector.watch(caller, {}, () => {
      reported = true
    })
    stacks.push(caller.allocate(detector))
  }
  run()
  await collected(() => reported)
  expect(reported).toBe(true)
  expect(stacks[0]).toContain('Caller.allocate')
})
