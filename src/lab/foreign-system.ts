import { existsSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Architecture } from './architectures.js'
import { cached } from './cache.js'
import { outputOf } from './outside-command.js'
import { hasApt, type PackageLists } from './package-lists.js'
import { unpackPackages } from './packages.js'
import { guestPackages, keyOf, missingOf, moveIntoUsr, topFolders, unavailable } from './parts.js'

/** The programs that scripts expect, and the C++ library that Node needs. */
const systemPackages = [
  ...guestPackages,
  ...[
    'bash',
    'busybox-static',
    'coreutils',
    'dash',
    'diffutils',
    'findutils',
    'grep',
    'gzip',
    'libstdc++6',
    'mawk',
    'sed',
  ],
  ...['tar', 'util-linux'],
]

/**
 * The programs of a machine that cannot run those of the host: its /usr, from Debian's packages, and beneath the host's
 * files the other files of these packages. It also has Node, of the version of this process.
 *
 * @param lists - of the packages for that machine
 */
export async function findForeignSystem(architecture: Architecture, lists: PackageLists): Promise<string> {
  if (!hasApt()) throw unavailable('apt, to fetch programs for another processor with', 'apt-get, as on Debian')
  const packages = await missingOf(lists, systemPackages)
  const node = `node-linux-${architecture.name}@${process.versions.node}`
  return cached(`system-${architecture.name}-${keyOf([packages, node])}`, async (making) => {
    await unpackPackages(lists, packages, making)
    for (const name of topFolders) moveIntoUsr(making, name)
    rmSync(join(making, 'usr/share'), { recursive: true, force: true }) // the guest has that of the host
    if (!existsSync(join(making, 'usr/bin/sh'))) symlinkSync('dash', join(making, 'usr/bin/sh'))
    await addNode(node, making)
  })
}

/** Fetches Node from npm, which compares what it gets with the hash in the registry. */
async function addNode(node: string, folder: string): Promise<void> {
  const hint = `npm view ${node}`
  const output = await outputOf('npm', ['pack', '--silent', '--ignore-scripts', node], { folder, hint })
  const archive = output.trim().split('\n').at(-1) ?? ''
  await outputOf('tar', ['-xzf', archive, 'package/bin/node'], { folder })
  renameSync(join(folder, 'package/bin/node'), join(folder, 'usr/bin/node'))
  for (const path of [archive, 'package']) rmSync(join(folder, path), { recursive: true })
}
