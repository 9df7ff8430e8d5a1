/**
 * The modules of docs/design.md and what each may import, as data. A module is called a room here. lint.ts checks every import.
 *
 *     cli → registry → layout → packet → pool → memory → hugepages → system → native.ts
 *     Beside packet: ring and heap. Below registry, too: rdma, on memory; and translate, on system.
 */

export interface Room {
  /** The rooms that files of this room may import from; a room always knows itself. */
  readonly knows: readonly string[]
  /** The one file of this room that other rooms import, where there is one. */
  readonly entry?: string
}

/** What programs are offered, and what it stands on: for the command line and the package's entry. */
const capabilities = [
  'registry',
  'rdma',
  'rdma/devices',
  'rdma/contract',
  'translate',
  'ring',
  'pool',
  'packet',
  'heap',
  'layout',
  'memory',
  'hugepages',
  'system',
  'vocabulary',
]

/** src/: a room is a file at the top or a folder. The longest match wins, so rdma/verbs is not rdma. */
export const typeScriptRooms: Readonly<Record<string, Room>> = {
  vocabulary: { knows: [] },
  'native-verbs.ts': { knows: [] },
  'native.ts': { knows: ['native-verbs.ts', 'vocabulary'] },
  system: { knows: ['native.ts', 'vocabulary'] },
  hugepages: { knows: ['system', 'native.ts', 'vocabulary'], entry: 'index.ts' },
  memory: { knows: ['hugepages', 'system', 'native.ts', 'vocabulary'] },
  threads: { knows: ['system', 'native.ts', 'vocabulary'] },
  arrays: { knows: ['vocabulary'] },
  ring: { knows: ['threads', 'arrays', 'memory', 'vocabulary'] },
  pool: { knows: ['threads', 'arrays', 'memory', 'vocabulary'] },
  packet: { knows: ['pool', 'threads', 'arrays', 'memory', 'vocabulary'] },
  heap: { knows: ['memory', 'vocabulary'] },
  layout: { knows: ['ring', 'pool', 'packet', 'heap', 'memory', 'vocabulary'] },
  translate: { knows: ['system', 'native.ts', 'vocabulary'] },
  rdma: { knows: ['rdma/contract', 'memory', 'system', 'vocabulary'] },
  'rdma/contract': { knows: ['memory', 'system', 'vocabulary'] },
  'rdma/verbs': { knows: ['rdma/contract', 'memory', 'system', 'native.ts', 'native-verbs.ts', 'vocabulary'] },
  'rdma/loopback': { knows: ['rdma/contract', 'memory', 'system', 'vocabulary'] },
  'rdma/devices': { knows: ['rdma', 'rdma/verbs', 'rdma/loopback', 'rdma/contract', 'vocabulary'] },
  registry: { knows: ['layout', 'rdma', 'rdma/contract', 'translate', 'memory', 'system', 'vocabulary'] },
  lab: { knows: ['system', 'native.ts', 'vocabulary'] },
  cli: { knows: [...capabilities, 'lab'] },
  'index.ts': { knows: capabilities },
}

export const vocabulary: readonly string[] = [
  'abort.ts',
  'addresses.ts',
  'builtins.ts',
  'disposal.ts',
  'errors.ts',
  'options.ts',
  'sizes.ts',
]

/** native/: the folders. native/test may include every room of the core, but not the addon. */
export const nativeRooms: Readonly<Record<string, Room>> = {
  os: { knows: [] },
  memory: { knows: ['os'] },
  translate: { knows: ['memory', 'os'] },
  verbs: { knows: ['memory', 'os'] },
  addon: { knows: ['verbs', 'translate', 'memory', 'os'] },
  test: { knows: ['verbs', 'translate', 'memory', 'os'] },
}

/** Headers of Node and node-addon-api: for native/addon alone. */
export const nodeHeaders: readonly string[] = ['napi.h', 'node_api.h', 'js_native_api.h', 'node.h', 'v8.h', 'uv.h']

/** Packages that shipped code imports, and the rooms that may. */
export const packages: Readonly<Record<string, readonly string[] | 'every room'>> = {
  zod: 'every room',
  citty: ['cli'],
  echarts: ['cli'],
}

/**
 * The doors: files in which a cast is allowed, since an untyped value enters the program there. Every line says which
 * value that is.
 */
export const doors: Readonly<Record<string, string>> = {
  'src/native.ts': 'what the addon returns',
  'src/cli/resolvable.ts': "citty's lazy values, whose type leaves open whether a function is one",
  'src/cli/demo-worker.ts': 'what the other thread handed over',
  'src/layout/layout.ts':
    'the options of a part, which the functions of its kind check; and its names as the keys of a type',
  'src/registry/open-registry.ts': 'where the declared names become the keys of a type',
}

/** A longer file is looked at: which two things are in it? */
export const longestFile = 500
