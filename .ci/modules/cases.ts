/**
 * Cases of what the lint of modules must find, and of what it must accept: the lint suite runs these before it trusts the lint.
 * Each case is one file with the words that must appear in its violations, in order; an empty list means none.
 */
export interface Case {
  readonly says: string
  readonly file: string
  readonly text: string
  readonly expects: readonly string[]
}

export const cases: readonly Case[] = [
  {
    says: 'the registry may know translate, memory and the vocabulary',
    file: 'src/registry/registry.ts',
    text: "import { a } from '../translate/a.js'\nimport { b } from '../memory/b.js'\nimport { c } from '../errors.js'\n",
    expects: [],
  },
  {
    says: 'memory must not know translate, not even its types',
    file: 'src/memory/region.ts',
    text: "import { z } from 'zod'\nimport type { T } from '../translate/translation.js'\n",
    expects: ['memory → translate'],
  },
  {
    says: 'a re-export and a dynamic import are arrows too',
    file: 'src/ring/ring.ts',
    text: "export { x } from '../registry/x.js'\nconst y = await import('../cli/main.js')\n",
    expects: ['ring → registry', 'ring → cli'],
  },
  {
    says: 'an import in a comment or a string is not an arrow',
    file: 'src/memory/region.ts',
    text: "// import { x } from '../cli/main.js'\nexport const s = \"import '../cli/main.js'\"\n",
    expects: [],
  },
  {
    says: 'native.ts is not for the registry and the command line',
    file: 'src/cli/doctor.ts',
    text: "import { native } from '../native.js'\n",
    expects: ['cli → native.ts'],
  },
  {
    says: 'loopback and verbs stand on the contract alone, and do not know each other',
    file: 'src/rdma/loopback/device.ts',
    text: "import { x } from '../verbs/x.js'\nimport { y } from '../contract/device-calls.js'\n",
    expects: ['rdma/loopback → rdma/verbs'],
  },
  {
    says: 'rdma/verbs may not import rdma',
    file: 'src/rdma/verbs/queues.ts',
    text: "import { x } from '../queue-pair.js'\n",
    expects: ['rdma/verbs → rdma'],
  },
  {
    says: 'translate may import system, but not memory',
    file: 'src/translate/runs.ts',
    text: "import { x } from '../system/page-sizes.js'\nimport { y } from '../memory/region-memory.js'\n",
    expects: ['translate → memory'],
  },
  {
    says: 'of a module with an entry file, only the entry file is imported',
    file: 'src/memory/region.ts',
    text: "import { x } from '../hugepages/index.js'\nimport { y } from '../hugepages/counters.js'\n",
    expects: ['src/hugepages/counters.ts is inside hugepages'],
  },
  {
    says: 'rdma may not import registry',
    file: 'src/rdma/device.ts',
    text: "import { x } from '../registry/registry.js'\n",
    expects: ['rdma → registry'],
  },
  {
    says: 'a file that belongs to no module is found',
    file: 'src/helpers.ts',
    text: 'export {}\n',
    expects: ['belongs to no module'],
  },
  {
    says: 'shipped code imports no undeclared package, and citty only in cli',
    file: 'src/memory/region.ts',
    text: "import a from 'lodash'\nimport b from 'citty'\n",
    expects: ["package 'lodash'", "package 'citty' is for cli"],
  },
  {
    says: 'nothing is imported from outside src',
    file: 'src/cli/main.ts',
    text: "import metadata from '../../package.json' with { type: 'json' }\n",
    expects: ['leaves src/'],
  },
  {
    says: 'a cast is found; as const, import renames and words in comments are none',
    file: 'src/memory/region.ts',
    text: "import { x as y } from './a.js'\n// y as any\nexport const a = ['x'] as const\nexport const b = y as string\n",
    expects: ['a cast: narrow by a check'],
  },
  {
    says: 'a comment that silences the compiler is found',
    file: 'src/memory/region.ts',
    text: '// @ts-expect-error\nexport const a: string = 1\n',
    expects: ['@ts-expect-error'],
  },
  {
    says: 'native.ts may cast',
    file: 'src/native.ts',
    text: "export const a = JSON.parse('1') as number\n",
    expects: [],
  },
  {
    says: 'index.ts only re-exports',
    file: 'src/index.ts',
    text: "export { a } from './sizes.js'\nexport type { B } from './errors.js'\nexport const c = 1\n",
    expects: ['only re-exports'],
  },
  {
    says: 'translate may include memory and os',
    file: 'native/translate/pagemap.cc',
    text: '#include "translate/pagemap.h"\n#include <cstdio>\n#include "memory/page_size.h"\n#include "os/error.h"\n',
    expects: [],
  },
  {
    says: 'os includes nothing of the other modules',
    file: 'native/os/error.cc',
    text: '#include "memory/mapping.h"\n',
    expects: ['os → memory'],
  },
  {
    says: 'no module may include addon',
    file: 'native/test/boundary_test.cc',
    text: '#include "addon/boundary.h"\n',
    expects: ['test → addon'],
  },
  {
    says: 'napi.h is for native/addon alone',
    file: 'native/memory/mapping.cc',
    text: '#include <napi.h>\n',
    expects: ['for native/addon alone'],
  },
  {
    says: 'an include by a relative path is refused',
    file: 'native/memory/mapping.cc',
    text: '#include "../os/error.h"\n',
    expects: ['include by the path from native/'],
  },
  {
    says: 'a file of more than 500 lines is found',
    file: 'bench/main.ts',
    text: 'export {}\n'.repeat(501),
    expects: ['501 lines'],
  },
]

/** As `Case`, for what the lint sees only in several files: their texts, by name. */
export interface CycleCase {
  readonly says: string
  readonly files: Readonly<Record<string, string>>
  readonly expects: readonly string[]
}

export const cycleCases: readonly CycleCase[] = [
  {
    says: 'a cycle of values is told by its files',
    files: {
      'src/ring/a.ts': "import { b } from './b.js'\nexport const a = b\n",
      'src/ring/b.ts': "export { c } from './c.js'\nexport const b = 1\n",
      'src/ring/c.ts': "import { type B, a } from './a.js'\nexport const c = a\n",
    },
    expects: ['src/ring/a.ts → src/ring/b.ts → src/ring/c.ts → src/ring/a.ts'],
  },
  {
    says: 'two cycles are two violations, and the files that lead to one are in none',
    files: {
      'src/heap/a.ts': "import './a.js'\nimport { b } from '../pool/b.js'\nexport const a = b\n",
      'src/pool/b.ts': "import * as c from './c.js'\nexport const b = c\n",
      'src/pool/c.ts': "export * from './b.js'\n",
    },
    expects: ['src/pool/b.ts → src/pool/c.ts → src/pool/b.ts', 'src/heap/a.ts → src/heap/a.ts'],
  },
  {
    says: 'types alone make no cycle of values',
    files: {
      'src/ring/a.ts': "import type { B } from './b.js'\nexport const a: B = 1\n",
      'src/ring/b.ts': "import { type C } from './c.js'\nimport { a } from './a.js'\nexport type B = C & typeof a\n",
      'src/ring/c.ts': "export type { B } from './b.js'\nexport { type D } from './b.js'\nexport type C = number\n",
    },
    expects: [],
  },
  {
    says: 'a dynamic import runs later, and makes no cycle of values',
    files: {
      'src/cli/a.ts': "import { b } from './b.js'\nexport const a = b\n",
      'src/cli/b.ts': "export const b = () => import('./a.js')\n",
    },
    expects: [],
  },
]
