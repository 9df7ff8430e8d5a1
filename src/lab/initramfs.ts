import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from './cache.js'
import { type ArchiveEntry, archive } from './cpio.js'
import { guestInit, guestMain } from './guest-init.js'
import type { Kernel } from './kernel.js'
import { loadOrder, readModule, wantedModules } from './kernel-modules.js'
import { keyOf } from './parts.js'

const folderMode = 0o040755
const programMode = 0o100755
const fileMode = 0o100644

/**
 * The files that the kernel starts with: busybox, the unpacked modules, and the scripts. The archive is made once for
 * each kernel and each version of the scripts.
 */
export async function findInitramfs(
  kernel: Kernel,
  busybox: string,
  options: { readonly iommu: boolean; readonly edu: boolean },
): Promise<string> {
  const wanted = wantedModules(options)
  const changed = [kernel.modules, busybox].map((path) => statSync(path).mtimeMs)
  const key = keyOf([guestInit, guestMain, kernel.modules, busybox, wanted, changed])
  const folder = await cached(`initramfs-${key}`, (making) => {
    const modules = loadOrder(kernel.modules, wanted)
    const entries: ArchiveEntry[] = [
      ...['bin', 'dev', 'proc', 'sys', 'run', 'modules'].map((path) => ({ path, mode: folderMode })),
      { path: 'bin/busybox', mode: programMode, content: readFileSync(busybox) },
      { path: 'init', mode: programMode, content: Buffer.from(guestInit) },
      { path: 'main', mode: fileMode, content: Buffer.from(guestMain) },
      ...modules.map(({ name, path }) => ({ path: `modules/${name}.ko`, mode: fileMode, content: readModule(path) })),
      {
        path: 'modules/order',
        mode: fileMode,
        content: Buffer.from(modules.map(({ name }) => `${name}.ko\n`).join('')),
      },
    ]
    writeFileSync(join(making, 'initramfs.cpio'), archive(entries))
  })
  return join(folder, 'initramfs.cpio')
}
