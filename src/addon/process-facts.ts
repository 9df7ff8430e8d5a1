import { existsSync, readFileSync } from 'node:fs'

// Facts about this process that decide which file it can load.

/** The C library of this process, and its version if that is known. */
export interface Libc {
  readonly name: 'glibc' | 'musl'
  readonly version?: string | undefined
}

/** The names that musl's dynamic loader has for processors. */
const muslNames = new Map([
  ['x64', 'x86_64'],
  ['arm64', 'aarch64'],
])

/**
 * Which C library this process uses; undefined if the files that tell it may not be read. Almost every machine with
 * glibc lacks musl's dynamic loader, and then nothing else is read.
 */
export function libcName(): Libc['name'] | undefined {
  try {
    if (!existsSync(`/lib/ld-musl-${muslNames.get(process.arch) ?? process.arch}.so.1`)) return 'glibc'
    return glibcPath() === undefined ? 'musl' : 'glibc'
  } catch {
    // Node's permission model. The caller then tries the files for both.
    return undefined
  }
}

/** The C library with its version, for messages. It reads the whole library, so it is for failures only. */
export function libc(): Libc | undefined {
  const name = libcName()
  if (name !== 'glibc') return name && { name }
  try {
    const path = glibcPath()
    const text = path === undefined ? '' : readFileSync(path, 'latin1')
    return { name, version: text.match(/GNU C Library [^\n]*version (\d+\.\d+)/)?.[1] }
  } catch {
    return { name } // The version is only a part of a message, and the library may be unreadable here.
  }
}

function glibcPath(): string | undefined {
  return readFileSync('/proc/self/maps', 'latin1').match(/\/\S*\/libc(?:\.so\.6|-2\.\d+\.so)$/m)?.[0]
}

/** The entry of the auxiliary vector that says whether the process has more privileges than its user (elf.h). */
const secureEntry = 23n

/**
 * Whether the program file gave this process more privileges than its user has: by the set-user-ID or set-group-ID bit,
 * or by capabilities. The kernel tells it by AT_SECURE (getauxval(3)). Then an environment variable, which the user
 * chose, may not choose the code that runs.
 *
 * @throws the error of `node:fs` if the kernel's answer cannot be read
 */
export function hasGainedPrivileges(): boolean {
  if (process.getuid?.() !== process.geteuid?.() || process.getgid?.() !== process.getegid?.()) return true
  let vector: Buffer
  try {
    vector = readFileSync('/proc/self/auxv')
  } catch (error) {
    // The kernel hides the file of a process that has gained or changed its privileges.
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') return true
    throw error
  }
  const bytes = new Uint8Array(vector).buffer
  const is32Bit = process.arch === 'arm' || process.arch === 'ia32'
  const words = is32Bit ? Array.from(new Uint32Array(bytes), BigInt) : [...new BigUint64Array(bytes)]
  return words.some((word, index) => index % 2 === 0 && word === secureEntry && words[index + 1] !== 0n)
}
