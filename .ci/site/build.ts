/**
 * Builds the site of the documentation: the API by typedoc, from the comments in src/, and the guides in docs/, with
 * one search. `npm run docs` calls it after the set-up (.ci/setup docs).
 *
 *     node --import tsx .ci/site/build.ts [--entry src/index.ts] [--out site]
 *
 * A warning of typedoc ends it with status 1: a link to nothing, or a type that the site shows and does not document.
 * So does a type of another package in a public signature.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Application, normalizePath, type ProjectReflection, type TypeDocOptions } from 'typedoc'
import { foreignTypes } from './foreign-types.js'
import { sortBySubject, subjects } from './subjects.js'
import { spellOutUnions } from './unions.js'

const root = resolve(import.meta.dirname, '../..')
const { entry, out } = parseArgs({
  options: { entry: { type: 'string', default: 'src/index.ts' }, out: { type: 'string', default: 'site' } },
}).values
const isPackage = entry === 'src/index.ts'
process.chdir(root)

const app = await Application.bootstrap({
  entryPoints: isPackage ? [entry, 'src/testing/index.ts'] : [entry],
  // Another entry is a test case in this folder.
  tsconfig: join(import.meta.dirname, isPackage ? 'tsconfig.entry.json' : 'tsconfig.json'),
  basePath: root,
  name: 'pinfold',
  includeVersion: true,
  readme: 'README.md',
  projectDocuments: guides(),
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  ...sources(),
  intentionallyNotExported: ['RegionRegistration'], // Registration implements it, for the registry
  categorizeByGroup: false,
  categoryOrder: [...subjects],
  navigation: { includeCategories: true, includeGroups: false, includeFolders: false },
  sort: ['alphabetical'],
  customCss: join(import.meta.dirname, 'site.css'),
  searchInComments: true,
  searchInDocuments: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true },
})
spellOutUnions(app)
sortBySubject(app)

const project = await app.convert()
if (project === undefined) fail('typedoc could not read the sources')
app.validate(project)
for (const { type, place } of foreignTypesOf(project)) {
  app.logger.error(`${place}: a public signature shows ${type}: declare an interface, and check it by optionsOf`)
}
if (app.logger.hasErrors() || app.logger.hasWarnings()) fail('nothing was written: see the messages above')
await app.generateDocs(project, out)
if (app.logger.hasErrors() || app.logger.hasWarnings()) fail('the site was written with faults: see the messages above')

/** The guides, the changelog, and the page of each example. */
function guides(): string[] {
  const examples = existsSync('examples') ? readdirSync('examples').map((name) => `examples/${name}/README.md`) : []
  return ['docs/*.md', 'CHANGELOG.md', ...examples.filter((file) => existsSync(file))]
}

/** Links to the sources of this version, once package.json says where they are. */
function sources(): Partial<TypeDocOptions> {
  const { repository, version }: { repository?: { url: string }; version: string } = JSON.parse(
    readFileSync('package.json', 'utf8'),
  )
  if (repository === undefined) return { disableSources: true }
  const url = repository.url.replace(/^git\+/, '').replace(/\.git$/, '')
  return { disableGit: true, sourceLinkTemplate: `${url}/blob/v${version}/{path}#L{line}` }
}

function foreignTypesOf(project: ProjectReflection) {
  return foreignTypes(app.serializer.projectToObject(project, normalizePath(root)))
}

function fail(why: string): never {
  console.error(why)
  process.exit(1)
}
