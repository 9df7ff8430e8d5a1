import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isOurs, writableByOthers } from './trusted-folder.js'

/**
 * Describes all that a folder contains as text. Each line describes one entry: its permissions and the hash of its
 * content, or the target of a link. Undefined if an entry is not ours, or is neither a file, a folder nor a link.
 */
export function manifestOf(folder: string): string | undefined {
  const lines: string[] = []
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const stat = lstatSync(join(folder, path))
    if (!isOurs(stat)) return undefined
    const permissions = (stat.mode & 0o7777).toString(8)
    if (stat.isSymbolicLink()) lines.push(JSON.stringify([path, 'link', readlinkSync(join(folder, path))]))
    else if (stat.isDirectory()) lines.push(JSON.stringify([path, 'folder', permissions]))
    else if (stat.isFile()) lines.push(JSON.stringify([path, permissions, hashOf(readFileSync(join(folder, path)))]))
    else return undefined
  }
  return lines.join('\n')
}

export function hashOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Removes the write permission of the group and of others from a folder's entries, since a package may give it. */
export function keepOthersOut(folder: string): void {
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stat = lstatSync(join(folder, path))
    if (!stat.isSymbolicLink() && (stat.mode & writableByOthers) !== 0) {
      chmodSync(join(folder, path), stat.mode & 0o7777 & ~writableByOthers)
    }
  }
}
