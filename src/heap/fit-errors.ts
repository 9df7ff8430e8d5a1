import { PinfoldError } from '../errors.js'

export function noMemoryForBlocks(blocks: number, cause: unknown): PinfoldError {
  return new PinfoldError(`there is no memory for the table of a heap with ${blocks} blocks`, {
    code: 'ERR_MEMORY_SHORT',
    values: { blocks },
    cause,
  })
}

export function cutShort(): PinfoldError {
  return new PinfoldError(
    'the table of a heap is damaged: an earlier call was interrupted, since the stack was used up',
    {
      code: 'ERR_HEAP_DAMAGED',
    },
  )
}
