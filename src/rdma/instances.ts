import * as z from 'zod'

/**
 * A schema of the objects of a class. The class is asked for when a value is checked, since the files of these classes
 * import each other.
 */
export function instanceOf<Instance>(
  name: string,
  classOf: () => abstract new (...parameters: never[]) => Instance,
): z.ZodType<Instance, Instance> {
  return z.custom<Instance>((value) => value instanceof classOf(), { error: `expected a ${name}` })
}
