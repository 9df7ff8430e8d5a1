import { PinfoldError } from '../errors.js'
import { unreadable } from '../options.js'

/** The most requests of one call: more than the queue of any device holds. */
const mostRequests = 2 ** 16

/** One value or several as an array of our own: the caller's array may change while it is read. */
export function listOf<Item>(subject: string, given: Item | readonly Item[]): readonly Item[] {
  let length: number
  try {
    if (!isList(given)) return [given]
    length = given.length
    // Not Array.from(), which believes a length of 2^32 - 1.
    if (length <= mostRequests) return given.slice(0, length)
  } catch (cause) {
    throw unreadable(subject, given, cause)
  }
  throw new PinfoldError(`${subject}: expected at most ${mostRequests} requests, received ${length}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { length, most: mostRequests },
  })
}

function isList<Item>(given: Item | readonly Item[]): given is readonly Item[] {
  return Array.isArray(given)
}
