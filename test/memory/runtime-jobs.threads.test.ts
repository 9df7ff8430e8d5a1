import { expect, test } from 'vitest'
import { good, run } from '../support/run-program.js'

// A job of Node's threadpool works on a region's bytes by a bare pointer. Closing the region takes its pages away. The
// job goes on, and reads zeros.

const jobs = ['brotli', 'pbkdf2', 'scrypt', 'digest', 'fs.promises', 'net write', 'dgram send']

test.each(jobs)('a region closes under %s: its pages return at once, and the job ends with zeros', async (job) => {
  expect(await run('close-under-job.ts', job)).toEqual(good)
})
