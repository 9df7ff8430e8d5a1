import * as z from 'zod/mini'
import { PinfoldError } from '../../errors.js'
import { checked, later, optionsObject, text } from '../../options.js'
import { ownCommand } from '../../system/own-command.js'
import type { DeviceListing } from '../contract/device-attributes.js'
import type { DeviceProvider } from '../contract/device-calls.js'
import { Device } from '../device.js'
import { loopbackProvider } from '../loopback/index.js'
import { verbsProvider } from '../verbs/index.js'

/** Where devices come from: real ones first, the loopback last. */
const providers: readonly DeviceProvider[] = [verbsProvider, loopbackProvider]

/** More than a device's name has (infiniband/verbs.h, IBV_SYSFS_NAME_MAX is 64). */
const longestName = 255

const which = later(() =>
  z.union(
    [text(longestName).check(z.minLength(1)), optionsObject({ loopback: z.literal(true, { error: 'expected true' }) })],
    {
      error: "expected a device's name, or { loopback: true }",
    },
  ),
)

/** Codes of there being no RDMA here, in whatever way: nothing is wrong, there are just no real devices. */
const nothingReal = new Set(['ERR_VERBS_LIBRARY', 'ERR_VERBS_SYMBOL'])

/**
 * The devices that can be opened: the real ones, then the loopback. Without libibverbs, or without RDMA in the kernel, that
 * is the loopback alone; `pinfold doctor` tells which.
 *
 * @throws PinfoldError what libibverbs fails with otherwise
 */
export function listDevices(): DeviceListing[] {
  return providers.flatMap(listed)
}

/**
 * Opens an RDMA device: the first real one, and where there is none the loopback, which keeps the same contract inside of
 * this process. `device.kind` says which.
 *
 * @param device - a name as `listDevices()` has it ('mlx5_0', 'rxe0', 'loopback0'), or `{ loopback: true }`
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`; `ERR_DEVICE_UNKNOWN` that lists what there is; `ERR_DEVICE_PERMISSION`; of a
 *   named device also `ERR_VERBS_LIBRARY`, `ERR_VERBS_SYMBOL`
 */
export function openDevice(device?: string | { readonly loopback: true }): Device {
  const wanted = device === undefined ? undefined : checked('openDevice', which, device)
  const isWanted = ({ name, kind }: DeviceListing) =>
    wanted === undefined || (typeof wanted === 'string' ? name === wanted : kind === 'loopback')
  for (const provider of providers) {
    const found = listed(provider).find(isWanted)
    if (found !== undefined) return open(provider, found.name)
  }
  return refuse(String(wanted))
}

function open(provider: DeviceProvider, name: string): Device {
  const calls = provider.open(name)
  try {
    return new Device(name, provider.kind, calls)
  } catch (error) {
    calls.close()
    throw error
  }
}

function listed(provider: DeviceProvider): DeviceListing[] {
  try {
    return provider.list()
  } catch (error) {
    if (error instanceof PinfoldError && nothingReal.has(error.code)) return []
    throw error
  }
}

/** That there is no such device, or why nobody can tell. */
function refuse(name: string): never {
  for (const provider of providers) provider.list()
  const known = listDevices().map((device) => device.name)
  throw new PinfoldError(`openDevice: there is no RDMA device '${name}'; there is ${known.join(', ')}`, {
    code: 'ERR_DEVICE_UNKNOWN',
    values: { device: name, known },
    hint: ownCommand('devices'),
  })
}
