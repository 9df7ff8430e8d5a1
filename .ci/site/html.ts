import { readFileSync } from 'node:fs'
import { Parser } from 'htmlparser2'

/** The links of a page of the site, with those to its scripts, styles and pictures, and its anchors. */
export interface HtmlPage {
  readonly links: readonly string[]
  readonly anchors: ReadonlySet<string>
}

export function readHtml(file: string): HtmlPage {
  const links: string[] = []
  const anchors = new Set<string>()
  const parser = new Parser({
    onopentag(_name, { href, src, id }) {
      for (const link of [href, src]) if (link !== undefined) links.push(link)
      if (id !== undefined) anchors.add(id)
    },
  })
  parser.end(readFileSync(file, 'utf8'))
  return { links, anchors }
}
