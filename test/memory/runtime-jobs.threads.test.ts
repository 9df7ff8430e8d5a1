import { expect, test } from 'vitest'
import { good, run } from '../support/run-program.js'

// A job of Node's threadpool works on a region's bytes by a bare pointer. Closing the region takes the pages from under
// it; it goes on, on zeros.

const jobs = ['brotli', 'pbkdf2', 'scrypt', 'digest', 'fs.promises', 'net write', 'dgram send']

test.each(jobs)('a region closes under %s: the pages are back at once, and the job ends on zeros', async (job) => {
  expect(await run('close-under-job.ts', job)).toEqual(good)
})
