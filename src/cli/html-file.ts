import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { toPinfoldError } from '../errors.js'
import { badArgument } from './arguments.js'

/**
 * Refuses a file for --html that cannot be written. A command calls this before its work begins.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function requireWritable(path: string): void {
  if (!isWritable(path)) throw badArgument('a file for --html that can be written, in a folder that exists', path)
}

/** @throws PinfoldError `ERR_SYSTEM` */
export function writePage(path: string, page: string): void {
  try {
    writeFileSync(path, page)
  } catch (error) {
    throw toPinfoldError(error)
  }
}

function isWritable(path: string): boolean {
  try {
    const isThere = existsSync(path)
    accessSync(isThere ? path : dirname(path), constants.W_OK)
    return !isThere || !statSync(path).isDirectory()
  } catch {
    return false
  }
}
