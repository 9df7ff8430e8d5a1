import {
  type Application,
  Comment,
  CommentTag,
  type Context,
  Converter,
  type DocumentReflection,
  type Reflection,
} from 'typedoc'

/** The module of src/ in which a declaration stands, and the heading under which the reference lists it. */
const subjectOfModule: Readonly<Record<string, string>> = {
  registry: 'Registry',
  memory: 'Regions',
  translate: 'Physical addresses',
  'translate/page-tables': 'Device page tables',
  hugepages: 'Hugepage pools',
  ring: 'Rings',
  pool: 'Buffer pools',
  packet: 'Packets',
  heap: 'Heaps',
  layout: 'Layouts',
  rdma: 'RDMA',
  system: 'Machine',
  testing: 'Tests',
  '': 'Errors, sizes, addresses',
}

/** The guides in the order of the navigation; a page that is not listed here is a guide. */
const sections: Readonly<Record<string, readonly string[]>> = {
  Guides: [],
  Reference: [],
  Benchmarks: ['bench', 'benchmarks'],
  Project: ['design', 'style', 'rdma-conformance', 'CHANGELOG'],
}

export const subjects: readonly string[] = [...Object.keys(sections), ...Object.values(subjectOfModule), '*']

/**
 * Sorts the reference by subject, not by 'classes' and 'interfaces', and the guides by section. typedoc takes that from
 * the tag `@category` of each comment; the module already says it.
 */
export function sortBySubject(app: Application): void {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context: Context) => {
    const { project } = context
    for (const document of project.documents ?? []) {
      tag(document, sectionOf(document.name))
      takeTitle(document)
    }
    for (const module of project.children ?? []) {
      module.name = module.name.endsWith('testing') ? 'API for tests' : 'API'
      tag(module, 'Reference')
      for (const declaration of module.children ?? []) tag(declaration, subjectOf(context, declaration))
    }
  })
}

function sectionOf(page: string): string {
  return Object.entries(sections).find(([, pages]) => pages.includes(page))?.[0] ?? 'Guides'
}

function subjectOf(context: Context, declaration: Reflection): string {
  const [node] = context.getSymbolFromReflection(declaration)?.declarations ?? []
  const file = node?.getSourceFile().fileName.split('/src/').at(-1) ?? ''
  const folders = file.split('/').slice(0, -1)
  const [module = ''] = folders
  return subjectOfModule[folders.join('/')] ?? subjectOfModule[module] ?? module
}

function tag(reflection: Reflection, category: string): void {
  const commented = commentedOf(reflection)
  commented.comment ??= new Comment()
  commented.comment.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: category }]))
}

/** The comment of a function is that of its signature. */
function commentedOf(reflection: Reflection): Reflection {
  const [signature] = reflection.isDeclaration() ? (reflection.signatures ?? []) : []
  return signature ?? reflection
}

/** Names a page by its heading. */
function takeTitle(document: DocumentReflection): void {
  const heading = /^# (.+)$/m.exec(document.content[0]?.text ?? '')?.[1]
  if (heading !== undefined) document.name = heading.replaceAll('`', '')
}
