/**
 * Checks the relative links of files: their targets exist, and have the anchors. Prints a line for each link that leads
 * nowhere, then how many it has followed, and ends with status 1 if one leads nowhere.
 *
 *     node --import tsx .ci/site/links.ts site            every page in the folder
 *     node --import tsx .ci/site/links.ts README.md …     these Markdown files
 *
 * Links with a scheme (https:) are not followed: whether another machine answers is no property of this tree.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { readHtml } from './html.js'
import { readMarkdown } from './markdown.js'

interface Page {
  readonly links: readonly string[]
  readonly anchors: ReadonlySet<string>
}

const pages = new Map<string, Page>()
const files = process.argv.slice(2).flatMap(pagesOf)
let followed = 0
const broken = files.flatMap((file) => pageOf(file).links.flatMap((link) => problem(file, link) ?? []))
for (const line of broken) console.log(line)
console.log(`${followed} links in ${files.length} files`)
// A check that has read nothing has found nothing out.
process.exitCode = broken.length > 0 || followed === 0 ? 1 : 0

function pagesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.html')).map((name) => join(path, name))
}

function pageOf(file: string): Page {
  const known = pages.get(file)
  if (known !== undefined) return known
  const page = file.endsWith('.html') ? readHtml(file) : readMarkdown(file)
  pages.set(file, page)
  return page
}

/** Why a link leads nowhere; undefined if it leads to something, or to another machine. */
function problem(file: string, link: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(link)) return undefined
  followed++
  const [path = '', anchor = ''] = link.split('#').map(decodeURIComponent)
  const target = path === '' ? file : join(dirname(file), path.replace(/\?.*/, ''))
  const name = `${relative('.', file)}: ${link}`
  if (!existsSync(target)) return `${name}: there is no such file`
  if (anchor === '' || !/\.(html|md)$/.test(target)) return undefined
  return pageOf(target).anchors.has(anchor) ? undefined : `${name}: there is no such anchor`
}
