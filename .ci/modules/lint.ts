import { posix } from 'node:path'
import { type Comment, parseSync } from 'oxc-parser'
import * as plan from './plan.js'

/** One broken rule, as a line that an editor can jump to. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** Checks one file of the repository. `file` is its path from the root, with forward slashes. */
export function lintFile(file: string, text: string): Violation[] {
  const found = lintLength(file, text)
  if (file.startsWith('src/') && file.endsWith('.ts')) found.push(...lintTypeScript(file, text))
  if (/^native\/.*\.(cc|h)$/.test(file)) found.push(...lintCpp(file, text))
  return found
}

function lintLength(file: string, text: string): Violation[] {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  if (lines <= plan.longestFile) return []
  const message = `${lines} lines, and a file has at most ${plan.longestFile}: which two things is it?`
  return [{ file, line: plan.longestFile + 1, message }]
}

// --- TypeScript -------------------------------------------------------------------------------------------------------

function lintTypeScript(file: string, text: string): Violation[] {
  const parsed = parseSync(file, text)
  const found: Violation[] = []
  const report = (offset: number, message: string): void => {
    found.push({ file, line: text.slice(0, offset).split('\n').length, message })
  }
  const broken = parsed.errors[0]
  if (broken) report(broken.labels[0]?.start ?? 0, `does not parse: ${broken.message}`)

  const module = typeScriptModuleOf(file)
  if (!module) report(0, `belongs to no module: name it in .ci/modules/plan.ts, or move it (${moduleNames()})`)

  for (const { specifier, offset } of importsOf(parsed.module, text)) {
    const message = module && judgeImport(file, module, specifier)
    if (message) report(offset, message)
  }
  if (file === 'src/index.ts') {
    for (const offset of codeIn(parsed.program)) report(offset, 'index.ts only re-exports: move the code into a module')
  }
  if (!(file in plan.untyped)) {
    for (const offset of castsIn(parsed.program)) {
      report(offset, 'a cast: narrow by a check, or parse with zod (files that may cast: .ci/modules/plan.ts)')
    }
  }
  for (const comment of parsed.comments) {
    const hole = holeIn(comment)
    if (hole) report(comment.start, `${hole} hides an error of the types: mend the types`)
  }
  return found
}

export function typeScriptModuleOf(file: string): string | undefined {
  const path = file.replace(/^src\//, '')
  if (plan.vocabulary.includes(path)) return 'vocabulary'
  if (!path.includes('/')) return path in plan.typeScriptModules ? path : undefined
  const folders = posix.dirname(path).split('/')
  for (let length = folders.length; length > 0; length--) {
    const candidate = folders.slice(0, length).join('/')
    if (candidate in plan.typeScriptModules) return candidate
  }
  return undefined
}

function moduleNames(): string {
  return Object.keys(plan.typeScriptModules).join(', ')
}

function judgeImport(file: string, module: string, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined
  if (!specifier.startsWith('.')) return judgePackage(module, specifier)

  const target = posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts')
  if (!target.startsWith('src/')) return `'${specifier}' leaves src/, and so the package`
  const targetModule = typeScriptModuleOf(target)
  if (!targetModule) return `'${specifier}' leads to ${target}, which belongs to no module`
  if (targetModule === module) return undefined
  if (plan.typeScriptModules[module]?.mayImport.includes(targetModule)) return judgeEntry(targetModule, target)
  const allowed = plan.typeScriptModules[module]?.mayImport.join(', ') || 'nothing but itself'
  return `${module} → ${targetModule} ('${specifier}') is not allowed: ${module} may import ${allowed}`
}

function judgeEntry(module: string, target: string): string | undefined {
  const entry = plan.typeScriptModules[module]?.entry
  if (entry === undefined || target === `src/${module}/${entry}`) return undefined
  return `${target} is inside ${module}: other modules import ${module}/${entry}`
}

function judgePackage(module: string, specifier: string): string | undefined {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  const allowed = plan.packages[name]
  if (!allowed) return `package '${name}' is not one that shipped code uses (.ci/modules/plan.ts)`
  if (allowed === 'every module' || allowed.includes(module)) return undefined
  return `package '${name}' is for ${allowed.join(', ')}, not for ${module}`
}

type ParsedModule = ReturnType<typeof parseSync>['module']

function importsOf(module: ParsedModule, text: string): { specifier: string; offset: number }[] {
  const all: { specifier: string; offset: number }[] = []
  for (const { moduleRequest } of module.staticImports) {
    all.push({ specifier: moduleRequest.value, offset: moduleRequest.start })
  }
  for (const { entries } of module.staticExports) {
    const request = entries[0]?.moduleRequest
    if (request) all.push({ specifier: request.value, offset: request.start })
  }
  for (const { moduleRequest } of module.dynamicImports) {
    // The request is an expression: a literal is judged, anything else is refused by its own text.
    const source = text.slice(moduleRequest.start, moduleRequest.end)
    all.push({ specifier: source.replace(/^(['"`])(.*)\1$/, '$2'), offset: moduleRequest.start })
  }
  return all
}

interface Node {
  readonly type: string
  readonly start: number
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

function* nodesIn(value: unknown): Generator<Node & Readonly<Record<string, unknown>>> {
  if (Array.isArray(value)) {
    for (const element of value) yield* nodesIn(element)
  } else if (isNode(value)) {
    yield { ...value }
    for (const child of Object.values(value)) yield* nodesIn(child)
  }
}

function* castsIn(program: unknown): Generator<number> {
  for (const node of nodesIn(program)) {
    if (node.type === 'TSTypeAssertion') yield node.start
    if (node.type === 'TSAsExpression' && !isConst(node.typeAnnotation)) yield node.start
  }
}

function isConst(type: unknown): boolean {
  return [...nodesIn(type)].some((node) => node.type === 'Identifier' && node.name === 'const')
}

function* codeIn(program: { readonly body: readonly unknown[] }): Generator<number> {
  for (const statement of program.body) {
    if (!isNode(statement)) continue
    const gathers = statement.type === 'ExportAllDeclaration' || statement.type === 'ExportNamedDeclaration'
    if (!gathers || !('source' in statement) || statement.source === null) yield statement.start
  }
}

function holeIn(comment: Comment): string | undefined {
  return comment.value.match(/@ts-(ignore|nocheck|expect-error)|biome-ignore/)?.[0]
}

// --- Cycles -----------------------------------------------------------------------------------------------------------

/**
 * The cycles of values among the files of src/, one violation for each cycle. A class that extends another, or a constant
 * that is read while files are loaded, fails in such a cycle or not, by which file is imported first. Types are not
 * counted, since the compiler removes them, and neither are dynamic imports, which run later.
 */
export function lintCycles(files: ReadonlyMap<string, string>): Violation[] {
  const imports = new Map<string, ValueImport[]>()
  for (const [file, text] of files) {
    if (file.startsWith('src/') && file.endsWith('.ts')) imports.set(file, valueImportsOf(file, text))
  }
  return knots(imports).map((knot) => {
    const cycle = cycleIn(knot, imports)
    const [first, second] = cycle
    const line = imports.get(first)?.find(({ target }) => target === second)?.line ?? 1
    const way = [...cycle, first].join(' → ')
    return { file: first, line, message: `a cycle of values: ${way}: move what both need, or import the type alone` }
  })
}

interface ValueImport {
  readonly target: string
  readonly line: number
}

/** The files that a file imports values from. An import without names is one: it runs the file. */
function valueImportsOf(file: string, text: string): ValueImport[] {
  const { module } = parseSync(file, text)
  const requests: { value: string; start: number }[] = []
  for (const { moduleRequest, entries } of module.staticImports) {
    if (entries.length === 0 || entries.some(({ isType }) => !isType)) requests.push(moduleRequest)
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest, isType } of entries) if (moduleRequest && !isType) requests.push(moduleRequest)
  }
  return requests
    .filter(({ value }) => value.startsWith('.'))
    .map(({ value, start }) => ({
      target: posix.join(posix.dirname(file), value).replace(/\.js$/, '.ts'),
      line: text.slice(0, start).split('\n').length,
    }))
}

/** The sets of files that reach each other (strongly connected components, by Tarjan), each sorted by name. */
function knots(imports: ReadonlyMap<string, readonly ValueImport[]>): string[][] {
  const found: string[][] = []
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const visit = (file: string): void => {
    order.set(file, order.size)
    lowest.set(file, order.get(file) ?? 0)
    open.push(file)
    for (const { target } of imports.get(file) ?? []) {
      if (!imports.has(target)) continue
      if (!order.has(target)) visit(target)
      if (open.includes(target)) lowest.set(file, Math.min(lowest.get(file) ?? 0, lowest.get(target) ?? 0))
    }
    if (lowest.get(file) !== order.get(file)) return
    const knot = open.splice(open.indexOf(file))
    const isCycle = knot.length > 1 || imports.get(file)?.some(({ target }) => target === file)
    if (isCycle) found.push(knot.sort())
  }
  for (const file of [...imports.keys()].sort()) if (!order.has(file)) visit(file)
  return found
}

/** A shortest cycle through the first file of a knot. */
function cycleIn(knot: readonly string[], imports: ReadonlyMap<string, readonly ValueImport[]>): [string, ...string[]] {
  const first = knot[0] ?? ''
  const ways: [string, ...string[]][] = [[first]]
  const seen = new Set<string>()
  for (const way of ways) {
    for (const { target } of imports.get(way.at(-1) ?? '') ?? []) {
      if (target === first) return way
      if (seen.has(target) || !knot.includes(target)) continue
      seen.add(target)
      ways.push([...way, target])
    }
  }
  return [first]
}

// --- C++ --------------------------------------------------------------------------------------------------------------

function lintCpp(file: string, text: string): Violation[] {
  const found: Violation[] = []
  const module = file.split('/')[1] ?? ''
  const known = plan.nativeModules[module]
  if (!known) {
    const modules = Object.keys(plan.nativeModules).join(', ')
    found.push({
      file,
      line: 1,
      message: `belongs to no module of native/ (${modules}): name it in .ci/modules/plan.ts`,
    })
  }
  for (const [index, line] of text.split('\n').entries()) {
    const included = line.match(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/)?.[1]
    const message = included && known && judgeInclude(file, module, known, included, line.includes('"'))
    if (message) found.push({ file, line: index + 1, message })
  }
  return found
}

function judgeInclude(file: string, module: string, known: plan.Module, included: string, quoted: boolean) {
  if (plan.nodeHeaders.includes(posix.basename(included))) {
    return module === 'addon'
      ? undefined
      : `<${included}> is for native/addon alone: ${module} depends on nothing of Node`
  }
  if (!quoted) return undefined
  if (included.startsWith('.')) return `"${included}": include by the path from native/, as "module/file.h"`
  const target = included.includes('/') ? (included.split('/')[0] ?? '') : (file.split('/')[1] ?? '')
  if (target === module || known.mayImport.includes(target)) return undefined
  const allowed = known.mayImport.join(', ') || 'nothing but itself'
  return `${module} → ${target} ("${included}") is not allowed: ${module} may import ${allowed}`
}
