import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'

/** Types of fields: those of a DataView. */
export const fieldTypes = ['uint8', 'uint16', 'uint32', 'int32', 'uint64', 'float64'] as const
export type PacketFieldType = (typeof fieldTypes)[number]

const sizes: Readonly<Record<PacketFieldType, number>> = {
  uint8: 1,
  uint16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  float64: 8,
}

interface FieldPlace {
  readonly type: PacketFieldType
  readonly at: number
}

/** Where the details of allocated packets are. */
export interface Details {
  /** The details of all packets. */
  readonly view: DataView
  /** Where the details of a packet start. @throws PinfoldError */
  of(index: number): number
}

/**
 * A field that each packet has beside its bytes; each later segment has its own. It is 0 at first, and keeps its value
 * when the packet is freed and allocated again.
 */
export interface PacketField<Value = number> {
  /** @throws PinfoldError as `packets.free` */
  get(index: number): Value
  /** Cuts a value that the type cannot hold, as a typed array. @throws PinfoldError `ERR_INVALID_ARGUMENT`; as `get` */
  set(index: number, value: Value): void
}

/** The declared fields, and where each lies among a packet's details. */
export class PacketFields {
  /** Bytes of all fields of a packet, a multiple of 8. */
  readonly bytes: number
  /** As text, for other threads: `name type` line by line. */
  readonly declaration: string
  readonly #places = new Map<string, FieldPlace>()

  constructor(fields: Readonly<Record<string, PacketFieldType>>) {
    let at = 0
    const entries = Object.entries(fields)
    // The widest fields come first, so that each is aligned.
    for (const [name, type] of [...entries].sort(([, one], [, other]) => sizes[other] - sizes[one])) {
      this.#places.set(name, { type, at })
      at += sizes[type]
    }
    this.bytes = Math.ceil(at / 8) * 8
    this.declaration = entries.map(([name, type]) => `${name} ${type}`).join('\n')
  }

  /** The fields of a declaration; undefined when the text is none. */
  static parse(declaration: string): PacketFields | undefined {
    const fields: Record<string, PacketFieldType> = {}
    for (const line of declaration === '' ? [] : declaration.split('\n')) {
      const [name = '', word, ...more] = line.split(' ')
      const type = fieldTypes.find((known) => known === word)
      if (name === '' || type === undefined || more.length > 0) return undefined
      fields[name] = type
    }
    return new PacketFields(fields)
  }

  /** @throws PinfoldError `ERR_INVALID_ARGUMENT` when no such field was declared, or it has another type */
  open(name: string, type: PacketFieldType, details: Details): PacketField | PacketField<bigint> {
    const place = this.#places.get(name)
    if (place === undefined) throw wrongField(`there is no field ${describe(name)}`, { name })
    if (place.type !== type) throw wrongField(`${name} is of type ${place.type}, not ${describe(type)}`, { name, type })
    return fieldAt(place, details)
  }
}

const little = true // the byte order of x86-64 and arm64

function fieldAt({ type, at }: FieldPlace, d: Details): PacketField | PacketField<bigint> {
  switch (type) {
    case 'uint8':
      return {
        get: (i: number) => d.view.getUint8(d.of(i) + at),
        set: (i: number, v: number) => d.view.setUint8(d.of(i) + at, number(v)),
      }
    case 'uint16':
      return {
        get: (i: number) => d.view.getUint16(d.of(i) + at, little),
        set: (i: number, v: number) => d.view.setUint16(d.of(i) + at, number(v), little),
      }
    case 'uint32':
      return {
        get: (i: number) => d.view.getUint32(d.of(i) + at, little),
        set: (i: number, v: number) => d.view.setUint32(d.of(i) + at, number(v), little),
      }
    case 'int32':
      return {
        get: (i: number) => d.view.getInt32(d.of(i) + at, little),
        set: (i: number, v: number) => d.view.setInt32(d.of(i) + at, number(v), little),
      }
    case 'float64':
      return {
        get: (i: number) => d.view.getFloat64(d.of(i) + at, little),
        set: (i: number, v: number) => d.view.setFloat64(d.of(i) + at, number(v), little),
      }
    case 'uint64':
      return {
        get: (i: number) => d.view.getBigUint64(d.of(i) + at, little),
        set: (i: number, v: bigint) => d.view.setBigUint64(d.of(i) + at, big(v), little),
      }
  }
}

function number(value: unknown): number {
  if (typeof value === 'number') return value
  throw wrongField(`expected a number, received ${describe(value)}`, { value })
}

function big(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  throw wrongField(`expected a bigint, received ${describe(value)}`, { value })
}

function wrongField(problem: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return new PinfoldError(`field: ${problem}`, { code: 'ERR_INVALID_ARGUMENT', values })
}
