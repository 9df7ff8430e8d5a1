import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsOf, table } from '../options.js'
import type { BufferPoolAttachOptions, BufferPoolOptions } from '../pool/options.js'
import { fieldTypes, PacketFields, type PacketFieldType } from './fields.js'
import { mostDeclared, mostPackets } from './layout.js'

const most = 2 ** 24
/** More than their declaration has room for. */
const mostFields = 1024
const fieldName = later(() =>
  z.string().check(z.regex(/^[a-zA-Z_]\w{0,63}$/, { error: 'expected a name of letters, digits and _' })),
)
const createOptions = later(() =>
  optionsOf<PacketsOptions>()({
    bufferSize: z.optional(z.int().check(z.minimum(1), z.maximum(most))),
    headroom: z.optional(z.int().check(z.minimum(0), z.maximum(most))),
    count: z.optional(z.int().check(z.minimum(1), z.maximum(mostPackets))),
    privateSize: z.optional(z.int().check(z.minimum(0), z.maximum(65_536))),
    fields: z.optional(
      table(fieldName, z.enum(fieldTypes), {
        most: mostFields,
        expected: 'expected fields by their names',
      }),
    ),
    externals: z.optional(z.int().check(z.minimum(0), z.maximum(65_536))),
    align: z.optional(z.custom<number | undefined>()),
    crossPages: z.optional(z.custom<boolean | undefined>()),
    cache: z.optional(z.custom<number | undefined>()),
    patience: z.optional(z.custom<number | undefined>()),
  }),
)

/** The options of `createPackets`. */
export interface PacketsOptions
  extends Pick<BufferPoolOptions, 'align' | 'crossPages' | 'cache'>,
    Pick<BufferPoolAttachOptions, 'patience'> {
  /** Bytes of a packet's own buffer, with the headroom. Default: 2176, as RTE_MBUF_DEFAULT_BUF_SIZE. */
  readonly bufferSize?: number | undefined
  /** Bytes that a new packet leaves free before its data. Default: 128, as RTE_PKTMBUF_HEADROOM. */
  readonly headroom?: number | undefined
  /** Number of packets, up to 2^25. Default: as many as fit into the memory. */
  readonly count?: number | undefined
  /** Bytes beside each packet that the program may use as it likes, up to 65,536. Default: 0. */
  readonly privateSize?: number | undefined
  /** Fields that each packet has beside its bytes, by name: `{ arrival: 'float64' }`. */
  readonly fields?: Readonly<Record<string, PacketFieldType>> | undefined
  /** The most external buffers at a time, up to 65,536. Default: 64. */
  readonly externals?: number | undefined
}

export interface CheckedPackets {
  readonly pool: BufferPoolOptions
  readonly headroom: number
  readonly count: number | undefined
  readonly privateSize: number
  readonly fields: PacketFields
  readonly externals: number
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` for a headroom larger than the buffer */
export function checkedPackets(subject: string, options: PacketsOptions): CheckedPackets {
  // Reads the options once. Those of the pool are checked by the pool.
  const given = checked(subject, createOptions, options)
  const { bufferSize = 2176, headroom = 128, count, privateSize = 0, externals = 64 } = given
  const { align, crossPages, cache, patience } = given
  const fields = new PacketFields(Object.fromEntries(given.fields ?? []))
  if (headroom > bufferSize) {
    throw new PinfoldError(`${subject}: headroom: expected at most ${bufferSize}, received ${headroom}`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { headroom, bufferSize },
    })
  }
  const bytes = fields.declaration.length
  if (bytes > mostDeclared) {
    throw new PinfoldError(
      `${subject}: fields: expected names and types of at most ${mostDeclared} bytes, received ${bytes}`,
      {
        code: 'ERR_OUT_OF_RANGE',
        values: { bytes, most: mostDeclared },
      },
    )
  }
  const pool = { elementSize: bufferSize, align, crossPages, cache, patience }
  return { pool, headroom, count, privateSize, fields, externals }
}
