import * as z from 'zod/mini'
import { checked, checkRange, later } from '../options.js'
import type { Handle } from './contract/device-calls.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf } from './device-object.js'

const bytesArgument = later(() => z.instanceof(Uint8Array, { error: 'expected a Uint8Array' }))

/**
 * Memory on the device itself (ibv_alloc_dm(3)). Work requests reach it after `domain.registerDeviceMemory`; this process
 * copies bytes to it and from it.
 */
export class DeviceMemory extends DeviceObject {
  readonly device: Device
  /** Bytes. */
  readonly size: number

  /** Made by `device.allocateDeviceMemory()`. */
  constructor(device: Device, handle: Handle, size: number) {
    super('device memory', handle, [device])
    this.device = device
    this.size = size
  }

  /** Copies `bytes` to it, at `offset`. @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` */
  write(offset: number, bytes: Uint8Array): void {
    this.requireOpen('write')
    checkRange('write', offset, checked('write: bytes', bytesArgument, bytes).byteLength, this.size)
    callsOf(this).writeDeviceMemory(handleOf(this), offset, bytes)
  }

  /** Copies from it to `bytes`, from `offset` on. @throws PinfoldError as `write` */
  read(offset: number, bytes: Uint8Array): void {
    this.requireOpen('read')
    checkRange('read', offset, checked('read: bytes', bytesArgument, bytes).byteLength, this.size)
    callsOf(this).readDeviceMemory(handleOf(this), offset, bytes)
  }

  protected override destroy(): void {
    callsOf(this).freeDeviceMemory(handleOf(this))
  }
}
