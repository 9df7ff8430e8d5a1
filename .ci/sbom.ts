/**
 * Prints the SBOM of the package, in CycloneDX's JSON format: npm's list of the packages that are installed with it, and
 * the packages whose code is inside its files.
 *
 *     node --import tsx .ci/sbom.ts [LLVM VERSION]
 *
 * The bundles' metafiles (build/bundles, written by .ci/setup) say which packages are in dist/. The version is that of
 * LLVM's libraries in the prebuilt addons; without it, the addon uses the C++ library of the machine.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

interface Component {
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly properties?: readonly { readonly name: string; readonly value: string }[]
}

interface Dependency {
  readonly ref: string
  readonly dependsOn: readonly string[]
}

interface Bom {
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: readonly Dependency[]
}

/** The folders of the packages that the inputs of one bundle lie in. A package may lie in the folder of another. */
function packagesOf(metafile: string): string[] {
  const { inputs }: { inputs: object } = JSON.parse(readFileSync(metafile, 'utf8'))
  const folders = Object.keys(inputs).map((path) => path.match(/^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/)?.[0])
  return folders.filter((folder) => folder !== undefined)
}

/** The name and version of the package in a folder, as npm's SBOM spells them. */
function refOf(folder: string): string {
  const { name, version }: { name: string; version: string } = JSON.parse(
    readFileSync(`${folder}/package.json`, 'utf8'),
  )
  return `${name}@${version}`
}

function npmSbom(...args: readonly string[]): Bom {
  const output = execFileSync('npm', ['sbom', '--sbom-format=cyclonedx', ...args], { encoding: 'utf8' })
  return JSON.parse(output)
}

/** The part of LLVM that zig links into an addon. Its licence needs no notice for code that a compiler embeds. */
function llvmLibrary(name: string, version: string) {
  return {
    'bom-ref': `${name}@${version}`,
    type: 'library',
    name,
    version,
    scope: 'required',
    purl: `pkg:generic/llvm/${encodeURIComponent(name)}@${version}`,
    licenses: [{ license: { id: 'Apache-2.0' } }, { license: { id: 'LLVM-exception' } }],
  }
}

const [llvm] = process.argv.slice(2)
const installed = npmSbom('--omit=dev')
const known = npmSbom().components
const bundled = readdirSync('build/bundles').flatMap((file) => packagesOf(`build/bundles/${file}`))
const compiledIn = ['node_modules/node-addon-api']

const inside = [...new Set([...bundled, ...compiledIn].map(refOf))].map((ref) => {
  const component = known.find((candidate) => candidate['bom-ref'] === ref)
  if (component === undefined) throw new Error(`${ref} is in the package, and npm's SBOM does not know it`)
  // npm marks what only the development of this package installs. Here the code is in the package.
  const properties = (component.properties ?? []).filter((property) => property.name !== 'cdx:npm:package:development')
  return { ...component, properties: [...properties, { name: 'cdx:npm:package:bundled', value: 'true' }] }
})
const libraries =
  llvm === undefined ? [] : ['libc++', 'libc++abi', 'compiler-rt'].map((name) => llvmLibrary(name, llvm))

const own = installed.metadata.component
const refs = [...inside, ...libraries].map((component) => component['bom-ref'])
const bom = {
  ...installed,
  // npm calls the component by the folder of the checkout.
  metadata: { ...installed.metadata, component: { ...own, name: own.purl.replace(/^pkg:npm\/(.*)@.*$/, '$1') } },
  components: [
    ...installed.components.filter((component) => !refs.includes(component['bom-ref'])),
    ...inside,
    ...libraries,
  ],
  dependencies: [
    ...installed.dependencies
      .filter(({ ref }) => !refs.includes(ref))
      .map(({ ref, dependsOn }) => ({
        ref,
        dependsOn: ref === own['bom-ref'] ? [...new Set([...dependsOn, ...refs])] : dependsOn,
      })),
    ...refs.map((ref) => ({ ref, dependsOn: [] })),
  ],
}
console.log(JSON.stringify(bom, null, 2))
