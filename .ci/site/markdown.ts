import { readFileSync } from 'node:fs'
import MarkdownIt from 'markdown-it'

/** The links of a Markdown file, and the anchors to which others can link. */
export interface MarkdownPage {
  readonly links: readonly string[]
  readonly anchors: ReadonlySet<string>
}

const markdown = new MarkdownIt({ html: true })

export function readMarkdown(file: string): MarkdownPage {
  const links: string[] = []
  const anchors = new Set<string>()
  let heading = false
  for (const { type, content, children } of markdown.parse(readFileSync(file, 'utf8'), {})) {
    if (type === 'heading_open') heading = true
    if (type === 'html_block') addIds(content, anchors)
    if (type !== 'inline') continue
    if (heading) addHeading((children ?? []).map((part) => part.content).join(''), anchors)
    heading = false
    for (const part of children ?? []) {
      if (part.type === 'link_open') links.push(String(part.attrGet('href')))
      if (part.type === 'image') links.push(String(part.attrGet('src')))
      if (part.type === 'html_inline') addIds(part.content, anchors)
    }
  }
  return { links, anchors }
}

/** As GitHub makes an anchor of a heading: in lower case, without punctuation, numbered if there are several. */
function addHeading(title: string, anchors: Set<string>): void {
  const name = title
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')
  let anchor = name
  for (let count = 1; anchors.has(anchor); count++) anchor = `${name}-${count}`
  anchors.add(anchor)
}

function addIds(html: string, anchors: Set<string>): void {
  for (const [, id = ''] of html.matchAll(/\b(?:id|name)="([^"]+)"/g)) anchors.add(id)
}
