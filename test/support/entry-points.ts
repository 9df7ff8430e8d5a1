import { inspect } from 'node:util'
import { PinfoldError } from '../../src/errors.js'
import { describe as shown } from '../../src/sizes.js'
import type { WrongInput } from './bad-input.js'

/**
 * An entry point: a method, its object, and wrong inputs for one argument. The arguments before and after are right.
 */
export interface Door {
  readonly of: object
  readonly name: string
  readonly before?: readonly unknown[]
  readonly after?: readonly unknown[]
  readonly inputs: readonly WrongInput[]
}

/** The most characters that a reader of an error message should have to read. */
const longestMessage = 2000
const codes = ['ERR_INVALID_ARGUMENT', 'ERR_OUT_OF_RANGE', 'ERR_POOL_INDEX']

async function call({ of, name, before = [], after = [] }: Door, input: unknown): Promise<unknown> {
  return await Reflect.apply(Reflect.get(of, name), of, [...before, input, ...after])
}

/** A complaint about the refusal of an input; undefined if the refusal is right. */
export async function complaint(door: Door, { given, named }: WrongInput): Promise<string | undefined> {
  try {
    await call(door, given)
    return `${shown(named)} is taken`
  } catch (error) {
    if (!(error instanceof PinfoldError)) return `${shown(named)} gives ${inspect(error)}`
    if (error.message.length > longestMessage) return `${shown(named)} gives ${error.message.length} characters`
    if (!codes.includes(error.code)) return `${shown(named)} gives ${error.code}: ${error.message}`
    const isNamed =
      named === undefined || typeof named === 'object' || error.message.includes(shown(named).slice(0, 50))
    return isNamed ? undefined : `${shown(named)} is not named in '${error.message}'`
  }
}
