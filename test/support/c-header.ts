/**
 * The names of the functions, and of the macros with arguments, that a C header declares. Names in bodies, types and
 * comments are left out.
 */
export function functionsOf(header: string, prefix: string): string[] {
  const text = header.replaceAll(/\/\*.*?\*\//gs, ' ').replaceAll(/\/\/.*$/gm, ' ')
  const macros = [...text.matchAll(/^[ \t]*#[ \t]*define[ \t]+(\w+)\(/gm)].map(([, name = '']) => name)
  const declarations = withoutBodies(
    text.replaceAll(/^[ \t]*#(?:.*\\\n)*.*$/gm, ' ').replaceAll(/extern\s+"C"\s*\{/g, ' '),
  )
  const functions = [...declarations.matchAll(/\b(\w+)\s*\(/g)].map(([, name = '']) => name)
  return [...new Set([...macros, ...functions])].filter((name) => name.startsWith(prefix)).toSorted()
}

function withoutBodies(text: string): string {
  const shorter = text.replaceAll(/\{[^{}]*\}/g, ';')
  return shorter === text ? text : withoutBodies(shorter)
}

/** The words of a page's code spans, such as `rte_ring_*_elem`; where a name goes on, `*` stands for its rest. */
export function namesOn(page: string, prefix: string): string[] {
  const spans = [...page.matchAll(/`([^`\n]+)`/g)].flatMap(([, span = '']) => span.match(/[\w*]+/g) ?? [])
  return [...new Set(spans)].filter((word) => word.startsWith(prefix)).toSorted()
}

/** Whether a name on a page, which may contain `*`, stands for `name`. */
export function standsFor(pattern: string, name: string): boolean {
  return new RegExp(`^${pattern.replaceAll('*', '\\w*')}$`).test(name)
}
