import { once } from 'node:events'
import { defineCommand } from 'citty'
import { formatAddress } from '../addresses.js'
import { openRegistry } from '../registry/open-registry.js'
import type { Region } from '../registry/region.js'
import { formatSize } from '../sizes.js'
import { ownCommand } from '../system/own-command.js'
import { commonArguments } from './arguments.js'
import { openOnce, writeByDevice } from './demo/device.js'
import { repairPools, supplyPages } from './demo/pages.js'
import { countHoldings, measureRemains } from './demo/remains.js'
import { DemoText } from './demo/render.js'
import { type DemoReport, demoSize } from './demo/report.js'
import {
  advise,
  describeRegion,
  describeSupply,
  handOver,
  lookAtMachine,
  translate,
  verify,
  writeAndRead,
} from './demo/steps.js'
import { exitCode } from './exit-code.js'
import { Output } from './output.js'

/** Does the main job once, on real memory. Every line that it prints was measured in this run. */
export const demo = defineCommand({
  meta: {
    name: 'demo',
    description: 'Do the main job once: make, translate, use, hand over, register and close a region',
  },
  args: {
    hold: { type: 'boolean', description: 'Wait for Enter before closing, to look at the region from outside' },
    ...commonArguments,
  },
  async run({ args }) {
    const output = new Output({ json: args.json === true })
    const report = await runDemo(output, args.hold === true)
    if (args.json === true) output.report(report, () => '')
    const { bytes, worker, device, verification, left } = report
    const differences = bytes.differences + worker.differencesThere + worker.differencesHere + device.write.differences
    const isTrue = differences + verification.moved === 0 && left.nothing
    return isTrue ? exitCode.ok : exitCode.finding
  },
})

async function runDemo(output: Output, hold: boolean): Promise<DemoReport> {
  const text = new DemoText(output.paint)
  const machine = lookAtMachine()
  output.piece(text.machine(machine))

  // This comes before the first count. Pages that a killed run left in a pool would change the numbers.
  const repaired = repairPools()
  openOnce()
  const before = countHoldings()
  // The loan is given back on Ctrl-C and on exit, too. After a kill -9, the next run gives it back.
  const supply = supplyPages(demoSize, repaired)
  using loan = supply.loan
  const pages = describeSupply(supply)
  output.piece(text.pages(pages))

  output.progress('allocating …')
  using memory = await openRegistry({ regions: {} })
  const begin = performance.now()
  const region = await memory.allocate('demo', { size: demoSize })
  const regionStep = describeRegion(region, performance.now() - begin)
  output.piece(text.region(regionStep))

  const { translation, step: physical } = translate(region)
  output.piece(text.physical(physical, machine.virtual !== null))

  const bytes = writeAndRead(region)
  output.piece(text.bytes(bytes))

  output.progress('waiting for the worker …')
  const worker = await handOver(region)
  output.piece(text.worker(worker))

  output.progress('waiting for the device …')
  const device = await writeByDevice(memory, region)
  output.piece(text.device(device))

  const verification = verify(translation)
  output.piece(text.verification(verification, physical.runs !== null))

  if (hold) await waitForEnter(output, region)

  const advice = advise(region, physical)
  const closing = performance.now()
  region.close()
  memory.close()
  loan?.giveBack()
  const close = { milliseconds: performance.now() - closing }

  const left = await measureRemains(before)
  output.piece(text.left(left, close.milliseconds))
  if (advice.length > 0) output.piece(text.more(advice))
  return {
    schema: 'pinfold/demo/1',
    machine,
    pages,
    region: regionStep,
    physical,
    bytes,
    worker,
    device,
    verification,
    close,
    left,
    more: advice,
  }
}

/** Waits for Enter or the end of stdin, so that a person can look at the region from another terminal. */
async function waitForEnter(output: Output, region: Region): Promise<void> {
  const address = formatAddress(region.address)
  output.piece(`\nheld until Enter is pressed; meanwhile, run in another terminal:
  ${ownCommand(`translate ${process.pid} ${address} ${formatSize(region.size)}`)}
  grep pinfold: /proc/${process.pid}/maps\n`)
  process.stdin.resume()
  await Promise.race(['data', 'end'].map((event) => once(process.stdin, event)))
  process.stdin.destroy()
}
