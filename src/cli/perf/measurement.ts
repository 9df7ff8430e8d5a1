import { defineCommand } from 'citty'
import type { Control } from '../../perf/control.js'
import { measure } from '../../perf/measure.js'
import { reach, Waiting } from '../../perf/meet.js'
import type { Stopper } from '../../perf/phase.js'
import type { Tool } from '../../perf/plan.js'
import type { PerfReport } from '../../perf/report.js'
import { exitCode } from '../exit-code.js'
import { requireWritable } from '../html-file.js'
import { Output } from '../output.js'
import { readPackageVersion } from '../package-version.js'
import { measurementArguments, type Request, requestOf } from './arguments.js'
import { writeCharts } from './page.js'
import { pinThread } from './pin.js'
import { MeasurementText, renderEnd } from './render.js'

/** A command that measures together with a peer: bandwidth, latency or rate. */
export function measurementCommand(tool: Tool, description: string) {
  return defineCommand({
    meta: { name: tool, description },
    args: measurementArguments,
    async run({ args }) {
      const output = new Output({ json: args.json === true })
      const request = requestOf(args)
      if (request.html !== undefined) requireWritable(request.html)
      if (request.cpus !== undefined) pinThread(request.cpus)
      return whileInterruptible(async (stopper, signal) => {
        const run = (control: Control) => measureOnce(tool, request, output, { control, stopper, signal })
        if (request.host === undefined) return serve(request, output, stopper, signal, run)
        return run(await reach(request.host, request.tcpPort, request.wait, signal))
      })
    },
  })
}

async function serve(
  { tcpPort, keep }: Request,
  output: Output,
  stopper: Stopper,
  signal: AbortSignal,
  run: (control: Control) => Promise<number>,
): Promise<number> {
  const waiting = await Waiting.at(tcpPort)
  try {
    output.piece(output.paint(`waits for a client on TCP port ${waiting.port}`, 'dim'))
    let status = await run(await waiting.next(signal))
    while (keep && !stopper.isStopped) status = Math.max(status, await run(await waiting.next(signal)))
    return status
  } finally {
    waiting.close()
  }
}

async function measureOnce(
  tool: Tool,
  { wishes, local, host, html }: Request,
  output: Output,
  { control, stopper, signal }: { control: Control; stopper: Stopper; signal: AbortSignal },
): Promise<number> {
  const observer = new MeasurementText(output, host ?? control.addresses.remote)
  const side = host === undefined ? 'server' : 'client'
  const version = readPackageVersion()
  try {
    const report = await measure({ tool, wishes, local, side, control, stopper, signal, version, observer })
    output.report(report, renderEnd)
    if (html !== undefined) await writeCharts(html, [report])
    return differences(report) === 0 ? exitCode.ok : exitCode.finding
  } finally {
    control.close()
  }
}

/** Messages that --validate has found to differ. */
function differences({ tool, ...report }: PerfReport): number {
  if (tool === 'register') return 0
  let sum = 0
  for (const result of report.results) {
    if ('latency' in result) sum += result.validated?.differences ?? 0
    if ('sum' in result)
      sum += (result.local?.validated?.differences ?? 0) + (result.remote?.validated?.differences ?? 0)
  }
  return sum
}

/** Ctrl-C ends a measurement, and what was measured is shown. Before one begins, and at the second time, it gives up. */
async function whileInterruptible(act: (stopper: Stopper, signal: AbortSignal) => Promise<number>): Promise<number> {
  const stopper: Stopper = { isStopped: false, isMeasuring: false }
  const giveUp = new AbortController()
  const interrupted = () => {
    if (stopper.isStopped || !stopper.isMeasuring) giveUp.abort(new Error('it was stopped'))
    stopper.isStopped = true
  }
  process.on('SIGINT', interrupted)
  process.on('SIGTERM', interrupted)
  try {
    return await act(stopper, giveUp.signal)
  } catch (error) {
    if (giveUp.signal.aborted) return 130
    throw error
  } finally {
    process.off('SIGINT', interrupted)
    process.off('SIGTERM', interrupted)
  }
}
