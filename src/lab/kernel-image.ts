import { spawnSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { cached } from './cache.js'
import { keyOf } from './parts.js'

/**
 * Unpacks the kernel from its self-extracting image, since an emulated processor needs seconds for that. QEMU starts
 * the kernel at the address that the kernel itself names (PVH). If the image cannot be unpacked here, the image itself
 * is used.
 */
export async function findKernelImage(image: string): Promise<string> {
  const { mtimeMs, size } = statSync(image)
  const key = keyOf([image, mtimeMs, size])
  const folder = await cached(`vmlinux-${key}`, (making) => {
    const kernel = unpack(readFileSync(image))
    if (kernel !== undefined) writeFileSync(join(making, 'vmlinux'), kernel)
  })
  const kernel = join(folder, 'vmlinux')
  return statSync(kernel, { throwIfNoEntry: false }) === undefined ? image : kernel
}

const magics: readonly (readonly [string, string])[] = [
  ['fd377a585a', 'xz'],
  ['28b52ffd', 'zstd'],
  ['02214c18', 'lz4'],
]

/** The place of the kernel in its image: Documentation/arch/x86/boot.rst, protocol 2.08 and later. */
function unpack(image: Buffer): Buffer | undefined {
  if (image.length < 0x250 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined
  const sectors = image[0x1f1] || 4
  const start = (sectors + 1) * 512 + image.readUInt32LE(0x248)
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c))
  const kernel = decompress(payload)
  const isElf = kernel?.toString('latin1', 1, 4) === 'ELF'
  // The note that says where to start has type XEN_ELFNOTE_PHYS32_ENTRY (18), 4 bytes of name, and 4 or 8 bytes of
  // content.
  const note = Buffer.from([4, 0, 0, 0, 8, 0, 0, 0, 18, 0, 0, 0, 0x58, 0x65, 0x6e, 0])
  const shortNote = Buffer.from([4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, 0x58, 0x65, 0x6e, 0])
  return isElf && (kernel.includes(note) || kernel.includes(shortNote)) ? kernel : undefined
}

function decompress(payload: Buffer): Buffer | undefined {
  try {
    if (payload[0] === 0x1f && payload[1] === 0x8b) return gunzipSync(payload)
  } catch {
    return undefined // damaged or of another format: QEMU gets the image as it is
  }
  const [, command] = magics.find(([magic]) => payload.toString('hex', 0, magic.length / 2) === magic) ?? []
  if (command === undefined) return undefined
  // The kernel's build appends the unpacked size, in 4 bytes.
  const { status, stdout } = spawnSync(command, ['-dc'], { input: payload.subarray(0, -4), maxBuffer: 2 ** 29 })
  return status === 0 ? stdout : undefined
}
