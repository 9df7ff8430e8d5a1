import * as z from 'zod'
import { DeviceObject } from './device-object.js'

/**
 * A schema of the objects of a class. The class is asked for when a value is checked, since the files of these classes
 * import each other.
 */
export function instanceOf<Instance>(
  name: string,
  classOf: () => abstract new (...parameters: never[]) => Instance,
): z.ZodType<Instance, Instance> {
  return z.custom<Instance>((value) => isInstance(value, classOf()) && isWhole(value), { error: `expected a ${name}` })
}

function isWhole(value: unknown): boolean {
  return !(value instanceof DeviceObject) || DeviceObject.isMade(value)
}

/** As `instanceof`; a Proxy whose trap throws is an instance of nothing. */
export function isInstance<Instance>(
  value: unknown,
  ofClass: abstract new (...parameters: never[]) => Instance,
): value is Instance {
  try {
    return value instanceof ofClass
  } catch {
    return false // it cannot be looked at, so it cannot be used either
  }
}
