import { Checks, type Outcome } from '../outcome.js'
import { run } from '../processes.js'

/** Checks the types of the sources, the tests, the benchmarks, this tooling and the examples. */
export async function types(): Promise<Outcome> {
  const checks = new Checks('types')
  const projects = ['tsconfig.json', 'tsconfig.examples.json']
  const { status, output } = await run('node_modules/.bin/tsc', ['--build', ...projects, '--pretty', 'false'])
  checks.add('tsc: src, test, bench, .ci, examples', status === 0 ? '' : output)
  return checks.outcome()
}

/** Builds the addon and dist/, as the demo does. */
export async function build(): Promise<Outcome> {
  const checks = new Checks('build')
  const { status, output } = await run('bash', ['.ci/setup', 'build'], { minutes: 15 })
  checks.add('the addon and dist/ build', status === 0 ? '' : output)
  return checks.outcome()
}
