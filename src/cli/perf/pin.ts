import { spawnSync } from 'node:child_process'
import { PinfoldError } from '../../errors.js'

/**
 * Lets this thread, the main thread, run on these CPUs alone. The process keeps its other threads where they are: they do
 * not measure. `taskset` is part of util-linux.
 *
 * @param cpus a list as the kernel writes it: '0-3,8'
 * @throws PinfoldError `ERR_OUT_OF_RANGE` for CPUs that this machine, or this cgroup, does not have
 */
export function pinThread(cpus: string): void {
  const { status, stderr, error } = spawnSync('taskset', ['-pc', cpus, `${process.pid}`], { encoding: 'utf8' })
  if (status === 0) return
  const why = error === undefined ? stderr.trim() : error.message
  throw new PinfoldError(`perf: this thread cannot run on CPUs ${cpus}: ${why}`, {
    code: error === undefined ? 'ERR_OUT_OF_RANGE' : 'ERR_UNSUPPORTED',
    values: { cpus },
    hint: error === undefined ? undefined : 'install taskset (util-linux), or start the command by numactl',
  })
}
