import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadOrder, readModule, wantedModules } from '../../src/lab/kernel-modules.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pinfold-modules-'))
  mkdirSync(join(folder, 'kernel/net'), { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true }))

/** The contents of a module's .modinfo section. */
function modinfo(depends: string): Buffer {
  return Buffer.from(`\x7fELF…\0license=GPL\0depends=${depends}\0name=x\0`)
}

function module(name: string, depends = ''): void {
  writeFileSync(join(folder, 'kernel/net', name), modinfo(depends))
}

describe('the order of loading', () => {
  test('contains each module once, after its dependencies', () => {
    module('rdma_rxe.ko', 'ib_core,ib-uverbs,udp_tunnel')
    module('ib_core.ko')
    module('ib-uverbs.ko', 'ib_core')
    module('udp_tunnel.ko')
    module('not-wanted.ko', 'ib_core')
    const names = loadOrder(folder, ['ib_uverbs', 'rdma_rxe']).map(({ name }) => name)
    expect(names).toEqual(['ib_core', 'ib_uverbs', 'udp_tunnel', 'rdma_rxe'])
  })

  test('leaves out modules that are built into the kernel', () => {
    writeFileSync(join(folder, 'modules.builtin'), 'kernel/drivers/virtio/virtio-pci.ko\nkernel/lib/crc32.ko\n')
    module('9p.ko', 'virtio_pci,crc32')
    expect(loadOrder(folder, ['virtio_pci', '9p']).map(({ name }) => name)).toEqual(['9p'])
  })

  test('reads compressed modules', () => {
    const path = join(folder, 'kernel/net/overlay.ko.gz')
    writeFileSync(path, gzipSync(modinfo('')))
    expect(loadOrder(folder, ['overlay'])).toEqual([{ name: 'overlay', path }])
    expect(readModule(path)).toEqual(modinfo(''))
  })

  test('names a missing module, and the module that needs it', () => {
    module('rdma_rxe.ko', 'crc32_generic')
    expect(() => loadOrder(folder, ['rdma_rxe'])).toThrowCode('ERR_LAB_UNAVAILABLE', {
      message: expect.stringContaining('no module crc32_generic, which rdma_rxe needs'),
    })
  })

  test('leaves out crc32_generic of a newer kernel, whose rdma_rxe does not need it', () => {
    module('rdma_rxe.ko')
    expect(loadOrder(folder, ['crc32_generic', 'rdma_rxe']).map(({ name }) => name)).toEqual(['rdma_rxe'])
    module('crc32_generic.ko')
    expect(loadOrder(folder, ['crc32_generic', 'rdma_rxe']).map(({ name }) => name)).toContain('crc32_generic')
  })

  test('contains VFIO only for a machine with an IOMMU', () => {
    expect(wantedModules({ iommu: false, edu: false })).not.toContain('vfio_pci')
    expect(wantedModules({ iommu: true, edu: false })).toContain('vfio_pci')
  })
})
