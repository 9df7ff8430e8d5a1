import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'

/** The error for a count that no span of a pool can have. */
export function noSpan(subject: string, count: number, most: number): PinfoldError {
  return new PinfoldError(`${subject}: expected a whole number from 0 to ${most}, received ${describe(count)}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { count, most },
  })
}

/** The error for elements that are given where no `room` was made for them. */
export function noRoomMade(count: number, room: number): PinfoldError {
  return new PinfoldError(`give: no room was made for ${count} elements: call room(${count}) first`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { count, room },
  })
}
