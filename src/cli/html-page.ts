const commonStyle = `
  :root { color-scheme: light dark }
  body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif;
         background: Canvas; color: CanvasText }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums }
  thead th, .faint { opacity: 0.7 }`

/**
 * An HTML page that loads nothing, runs nothing, and is light or dark as its reader prefers. `title`, `style` and `body` are
 * HTML.
 */
export function htmlPage(title: string, style: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${commonStyle}${style}
</style>
</head>
<body>
${body}
</body>
</html>
`
}

/** Escapes text for HTML, also for use inside double quotes. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
