import { captureStack } from '../memory/call-stack.js'
import { Ledger } from './ledger.js'
import { MemoryRegistry } from './memory-registry.js'
import type { Region } from './region.js'
import {
  checkedOpenOptions,
  checkedRegistryOptions,
  type OpenOptions,
  type RegistryOptions,
} from './registry-options.js'

/**
 * Opens a registry with the regions that `options.regions` declares. Its property `regions` contains them by name; a
 * name that was not declared does not compile. All or nothing: when one region cannot be made, the regions before it
 * are closed again when the error arrives.
 *
 * @throws the signal's reason when it is aborted, else PinfoldError `ERR_INVALID_ARGUMENT`, and as
 *   `MemoryRegistry.allocate`
 */
export async function openRegistry<Names extends string = never>(
  options: OpenOptions<Names> = {},
): Promise<MemoryRegistry<Names>> {
  const { options: settings, signal } = checkedOpenOptions('openRegistry', options)
  const ledger = new Ledger(settings, captureStack(openRegistry))
  const made: [string, Region][] = []
  try {
    for (const [name, region] of settings.regions) {
      made.push([name, await ledger.allocate(name, { options: region, signal }, undefined)])
    }
  } catch (error) {
    ledger.close()
    throw error
  }
  return registryOf(ledger, made)
}

/**
 * As `openRegistry`, but this thread waits until every page is present.
 *
 * @throws PinfoldError as `openRegistry`
 */
export function openRegistrySync<Names extends string = never>(
  options: RegistryOptions<Names> = {},
): MemoryRegistry<Names> {
  const settings = checkedRegistryOptions('openRegistrySync', options)
  const ledger = new Ledger(settings, captureStack(openRegistrySync))
  try {
    const made = [...settings.regions].map(([name, region]): [string, Region] => [
      name,
      ledger.allocateSync(name, region, undefined),
    ])
    return registryOf(ledger, made)
  } catch (error) {
    ledger.close()
    throw error
  }
}

function registryOf<Names extends string>(ledger: Ledger, made: readonly [string, Region][]): MemoryRegistry<Names> {
  // The door at which names become types: `made` contains exactly the declared names.
  const regions = Object.freeze(Object.fromEntries(made)) as Readonly<Record<Names, Region>>
  return new MemoryRegistry(ledger, regions)
}
