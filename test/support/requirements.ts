import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import type { TestContext } from 'vitest'
import { poolDirectory, readPool } from '../../src/hugepages/index.js'
import { formatSize, MiB } from '../../src/sizes.js'
import { hugetlbPageSizes, transparentPageSize } from '../../src/system/page-sizes.js'
import { capabilities } from '../../src/system/process-limits.js'
import { asNobody, root } from './child-process.js'
import { mainScript } from './command-line.js'
import { pageSize } from './hugepage-pools.js'

// Things that a test may need and a machine may lack. Each is the reason why the machine lacks it, or undefined. The
// summary of a run contains a line for each reason, so the reason says what is missing, and not which test needs it.

/** Skips the test with the first of `reasons` that is not undefined. */
export function needs({ skip }: Pick<TestContext, 'skip'>, ...reasons: readonly (string | undefined)[]): void {
  const reason = reasons.find((reason) => reason !== undefined)
  if (reason !== undefined) skip(reason)
}

/** @param purpose an action that only root may do, as an infinitive without `to` */
export function whyNotRoot(purpose: string): string | undefined {
  return process.getuid?.() === 0 ? undefined : `needs root, to ${purpose}`
}

export const whyNotPhysical =
  whyNotRoot('see physical addresses') ??
  (capabilities().has('CAP_SYS_ADMIN') ? undefined : 'needs CAP_SYS_ADMIN, to see physical addresses')

export const whyNotBuilt = existsSync(mainScript) ? undefined : 'dist/ is not built: npm run build'

export const whyNotTransfer =
  'transfer' in ArrayBuffer.prototype ? undefined : 'Node 20 has no ArrayBuffer.prototype.transfer'

export const whyNotTransparent =
  transparentPageSize() === undefined ? 'this kernel has no transparent huge pages' : undefined

/** The reason why this process cannot change hugepage pools. */
export function whyNotPools(): string | undefined {
  if (hugetlbPageSizes().length === 0) return 'this kernel has no hugepages'
  const reason = whyNotRoot('change hugepage pools')
  if (reason !== undefined) return reason
  try {
    accessSync(`${poolDirectory(pageSize)}/nr_hugepages`, constants.W_OK)
    return undefined
  } catch {
    return 'needs a writable /sys, to change hugepage pools'
  }
}

/** The reason why the hugepage pool of a size does not contain so many free pages. */
export function whyNotPages(pages: number, size = 2 * MiB): string | undefined {
  const name = formatSize(size)
  if (!hugetlbPageSizes().includes(size)) return `this kernel has no hugepages of ${name}`
  const { free } = readPool(size)
  return free < pages ? `needs ${pages} free ${pages === 1 ? 'page' : 'pages'} of ${name}, ${free} are free` : undefined
}

let nobody: { readonly reason: string | undefined } | undefined

/** The reason why `asNobody` cannot run a program of this checkout. */
export function whyNotNobody(): string | undefined {
  nobody ??= { reason: tryNobody() }
  return nobody.reason
}

function tryNobody(): string | undefined {
  const reason = whyNotRoot('run as another user')
  if (reason !== undefined) return reason
  const runs = ([command = '', ...args]: readonly string[]) => spawnSync(command, args).status === 0
  if (!runs([...asNobody, 'true'])) return 'needs a setpriv(1) that works, to run as another user'
  // One file of each folder that such a program reads.
  const files = [
    'package.json',
    'src/index.ts',
    'test/support/child-process.ts',
    'node_modules/tsx/package.json',
    'dist/cli/main.js',
    'build/Release/pinfold.node',
  ].map((file) => root + file)
  const readable = JSON.stringify(files.filter(existsSync))
  const program = `for (const file of ${readable}) fs.accessSync(file, fs.constants.R_OK)`
  if (runs([...asNobody, process.execPath, '--eval', program])) return undefined
  return 'needs a checkout and a Node that other users may read, to run as one'
}

/** The reason why a program cannot run in namespaces of its own. @param options the options of unshare(1) */
export function whyNotNamespaces(...options: readonly string[]): string | undefined {
  const reason = whyNotRoot('make namespaces')
  if (reason !== undefined) return reason
  const { status } = spawnSync('unshare', [...options, '--fork', '--kill-child', 'true'])
  return status === 0 ? undefined : `needs a kernel and an unshare(1) that can ${options.join(' ')}`
}
