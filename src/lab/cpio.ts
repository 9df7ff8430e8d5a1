/** A file of an initramfs. A folder has no content. */
export interface ArchiveEntry {
  /** The path without a leading '/'. A folder comes before its content. */
  readonly path: string
  /** Type and permissions, as in stat(2): 0o100755 is a program. */
  readonly mode: number
  readonly content?: Uint8Array | undefined
}

/**
 * An archive that the kernel unpacks into its first root: "newc" of cpio(5), see
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 */
export function archive(entries: readonly ArchiveEntry[]): Buffer {
  const parts: Uint8Array[] = []
  const all = [...entries, { path: 'TRAILER!!!', mode: 0 }]
  for (const [index, { path, mode, content = new Uint8Array() }] of all.entries()) {
    const name = Buffer.from(`${path}\0`)
    const fields = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0]
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`)
    parts.push(header, name, padding(header.length + name.length), content, padding(content.length))
  }
  return Buffer.concat(parts)
}

/** Headers and contents start on multiples of 4. */
function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4)
}
