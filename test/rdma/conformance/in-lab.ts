import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { runLab } from '../../../src/lab/run-lab.js'
import { bundleSuite } from './bundle.js'
import type { Column } from './report.js'

const file = 'verdicts.jsonl'

/** Runs the suite on Soft-RoCE, in one machine of the lab. @throws if it does not run to its end */
export async function suiteInLab(): Promise<Column> {
  const bundle = await bundleSuite()
  const out = mkdtempSync(join(tmpdir(), 'pinfold-conformance-'))
  const output: string[] = []
  try {
    const command = ['sh', '-c', `exec "$0" ${bundle} --device rxe0 --json "$LAB_OUT/${file}"`, process.execPath]
    const keep = () =>
      new Writable({
        write(chunk, _, done) {
          output.push(String(chunk))
          done()
        },
      })
    const { status, kernel } = await runLab({ command, out, timeLimit: 600 }, () => ({
      stdout: keep(),
      stderr: keep(),
    }))
    if (status !== 0) throw new Error(`the suite ended with ${status} in the lab: ${output.join('')}`)
    const lines = readFileSync(join(out, file), 'utf8').trimEnd().split('\n')
    return {
      device: 'Soft-RoCE',
      version: `Soft-RoCE (Linux ${kernel})`,
      verdicts: lines.map((line) => JSON.parse(line)),
    }
  } finally {
    rmSync(out, { recursive: true })
  }
}
