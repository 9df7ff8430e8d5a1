import { type End, Program } from './child-process.js'
import { compiled } from './compiled-program.js'

/** Starts a file of test/support/programs as a program of its own. */
export async function start(fixture: string, ...args: readonly (string | number)[]): Promise<Program> {
  return new Program([process.execPath, compiled(fixture), ...args.map(String)])
}

/** Runs a file of test/support/programs to its end. */
export async function run(fixture: string, ...args: readonly (string | number)[]): Promise<End> {
  await using program = await start(fixture, ...args)
  return await program.ended
}

/** The end of a program whose assertions all hold. Such a program prints nothing on stderr. */
export const good: End = { code: 0, signal: null, stderr: '' }
