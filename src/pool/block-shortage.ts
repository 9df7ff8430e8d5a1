import { PinfoldError } from '../errors.js'

export function noMemoryForBlocks(blocks: number, cause: unknown): PinfoldError {
  return new PinfoldError(`there is no memory to know of ${blocks} blocks of a heap`, {
    code: 'ERR_MEMORY_SHORT',
    values: { blocks },
    cause,
  })
}
