/**
 * The modules of docs/design.md and what each may import, as data. lint.ts checks every import.
 *
 *     cli → registry → layout → packet → pool → memory → hugepages → system → native.ts
 *     Beside packet: ring and heap. Below registry, too: rdma, on memory; and translate, on system.
 */

export interface Module {
  /** The modules that files of this module may import from; a module may always import itself. */
  readonly mayImport: readonly string[]
  /** The one file of this module that other modules import, where there is one. */
  readonly entry?: string
}

/** Everything that programs can use, and what it depends on: for the command line and the package's entry. */
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

/** src/: a module is a file at the top or a folder. The longest match wins, so rdma/verbs is not rdma. */
export const typeScriptModules: Readonly<Record<string, Module>> = {
  vocabulary: { mayImport: [] },
  'native-connections.ts': { mayImport: [] },
  'native-verbs.ts': { mayImport: [] },
  addon: { mayImport: ['vocabulary'] },
  'native.ts': { mayImport: ['addon', 'native-connections.ts', 'native-verbs.ts', 'vocabulary'] },
  system: { mayImport: ['native.ts', 'vocabulary'] },
  hugepages: { mayImport: ['system', 'native.ts', 'vocabulary'], entry: 'index.ts' },
  memory: { mayImport: ['hugepages', 'system', 'native.ts', 'vocabulary'] },
  streams: { mayImport: ['vocabulary'] },
  threads: { mayImport: ['system', 'native.ts', 'vocabulary'] },
  arrays: { mayImport: ['vocabulary'] },
  shadow: { mayImport: ['threads', 'arrays', 'memory', 'native.ts', 'vocabulary'] },
  ring: { mayImport: ['shadow', 'threads', 'arrays', 'memory', 'vocabulary'] },
  pool: { mayImport: ['shadow', 'threads', 'arrays', 'memory', 'system', 'vocabulary'] },
  packet: { mayImport: ['pool', 'shadow', 'threads', 'arrays', 'memory', 'system', 'vocabulary'] },
  heap: { mayImport: ['memory', 'native.ts', 'vocabulary'] },
  layout: { mayImport: ['ring', 'pool', 'packet', 'heap', 'memory', 'system', 'vocabulary'] },
  translate: { mayImport: ['system', 'native.ts', 'vocabulary'] },
  rdma: { mayImport: ['rdma/contract', 'streams', 'memory', 'system', 'vocabulary'] },
  'rdma/contract': { mayImport: ['memory', 'system', 'vocabulary'] },
  'rdma/verbs': {
    mayImport: [
      'rdma/contract',
      'memory',
      'system',
      'native.ts',
      'native-connections.ts',
      'native-verbs.ts',
      'vocabulary',
    ],
  },
  'rdma/loopback': { mayImport: ['rdma/contract', 'memory', 'system', 'native.ts', 'vocabulary'] },
  'rdma/devices': { mayImport: ['rdma', 'rdma/verbs', 'rdma/loopback', 'rdma/contract', 'system', 'vocabulary'] },
  registry: { mayImport: ['layout', 'rdma', 'rdma/contract', 'translate', 'memory', 'system', 'vocabulary'] },
  lab: { mayImport: ['system', 'native.ts', 'vocabulary'] },
  perf: {
    mayImport: ['registry', 'rdma', 'rdma/devices', 'rdma/contract', 'streams', 'memory', 'system', 'vocabulary'],
  },
  cli: { mayImport: [...capabilities, 'perf', 'lab'] },
  testing: { mayImport: [...capabilities, 'rdma/loopback', 'rdma/verbs', 'native.ts'] },
  'index.ts': { mayImport: capabilities },
}

export const vocabulary: readonly string[] = [
  'abort.ts',
  'addresses.ts',
  'builtins.ts',
  'disposal.ts',
  'errors.ts',
  'first-few.ts',
  'options.ts',
  'sizes.ts',
]

/** native/: the folders. native/test may include every module of the core, but not the addon. */
export const nativeModules: Readonly<Record<string, Module>> = {
  os: { mayImport: [] },
  wasm: { mayImport: [] },
  memory: { mayImport: ['os'] },
  translate: { mayImport: ['memory', 'os'] },
  verbs: { mayImport: ['memory', 'os'] },
  connections: { mayImport: ['verbs', 'memory', 'os'] },
  addon: { mayImport: ['connections', 'verbs', 'translate', 'memory', 'os'] },
  test: { mayImport: ['connections', 'verbs', 'translate', 'memory', 'os'] },
}

/** Headers of Node and node-addon-api: for native/addon alone. */
export const nodeHeaders: readonly string[] = ['napi.h', 'node_api.h', 'js_native_api.h', 'node.h', 'v8.h', 'uv.h']

/** Packages that shipped code imports, and the modules that may. */
export const packages: Readonly<Record<string, readonly string[] | 'every module'>> = {
  zod: 'every module',
  citty: ['cli'],
  echarts: ['cli'],
}

/** Files in which a cast is allowed, since an untyped value enters the program there. Each line names that value. */
export const untyped: Readonly<Record<string, string>> = {
  'src/native.ts': 'what the addon returns',
  'src/builtins.ts': 'WebAssembly, whose types TypeScript keeps with those of browsers',
  'src/cli/resolvable.ts': "citty's lazy values, whose type leaves open whether a function is one",
  'src/cli/demo-worker.ts': 'what the other thread handed over',
  'src/perf/register-worker.ts': 'what the other thread handed over',
  'src/layout/layout.ts':
    'the options of a part, which the functions of its kind check; and its names as the keys of a type',
  'src/registry/open-registry.ts': 'where the declared names become the keys of a type',
}

/** The lint refuses a longer file: it probably contains two things. */
export const longestFile = 500
