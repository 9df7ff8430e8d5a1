import { accessSync, constants, statSync } from 'node:fs'

/** True if the file at `path` is a program that this process may run. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false // absent or forbidden: in both cases it cannot be run
  }
}
