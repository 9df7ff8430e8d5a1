import { readFileSync } from 'node:fs'
import { toPinfoldError } from '../../errors.js'
import { type PerfReport, reportSchema } from '../../perf/report.js'
import { checkedReport } from '../../perf/report-schema.js'
import { badArgument } from '../arguments.js'

/**
 * Reads a document that `pinfold perf … --json` has written.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` that names the file, and the first wrong property; `ERR_SYSTEM`
 */
export function readDocument(path: string): PerfReport {
  const document = parsed(path)
  const schema = typeof document === 'object' && document !== null ? Reflect.get(document, 'schema') : undefined
  if (schema !== reportSchema) throw badArgument(`a document with the schema ${reportSchema} in ${path}`, schema)
  return checkedReport(path, document)
}

function parsed(path: string): unknown {
  const text = readText(path)
  try {
    return JSON.parse(text)
  } catch {
    throw badArgument('a JSON document of pinfold perf', path)
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw toPinfoldError(error)
  }
}
