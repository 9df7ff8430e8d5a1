import { PinfoldError } from '../errors.js'

export function noMemoryForBlocks(blocks: number, cause: unknown): PinfoldError {
  return new PinfoldError(`there is no memory to know of ${blocks} blocks of a heap`, {
    code: 'ERR_MEMORY_SHORT',
    values: { blocks },
    cause,
  })
}

export function cutShort(): PinfoldError {
  return new PinfoldError('a heap cannot be trusted any more: a call on it was cut short, where the stack had ended', {
    code: 'ERR_HEAP_DAMAGED',
  })
}
