import { describe, expect, test } from 'vitest'
import { good, run } from '../support/run-program.js'

// JavaScript can move the memory of a window to another ArrayBuffer, and from there to another thread, without pinfold.
// Then pinfold keeps the address range for ever, but not the pages.

describe('a window is moved away', () => {
  test.each([
    'in its thread',
    'and a job works on it',
    'to a thread that outlives its own',
    'and its thread is terminated',
  ])('%s: the region closes, and the moved buffer reads as zeros', async (way) => {
    expect(await run('moved.ts', way)).toEqual(good)
  })
})

describe('a worker is terminated under a job on its region', () => {
  test.each(['deflate', 'randomFill', 'fs.read', 'fs.write', 'digest'])(
    '%s: the job ends, and nothing is left',
    async (job) => {
      expect(await run('terminated-under-job.ts', job)).toEqual(good)
    },
  )
})
