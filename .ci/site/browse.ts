/**
 * Opens the built site in a headless browser as a reader does: searches a name, follows the first hit, and looks whether
 * the page there documents the name. Prints each step, and ends with status 1 at the first that fails.
 *
 *     node --import tsx .ci/site/browse.ts --browser /usr/bin/chromium --site site --name registerSync [--shots folder]
 *
 * With --shots it also keeps pictures of some pages: light, dark, and as wide as a phone.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { type Browser, chromium } from 'playwright-core'

const { values } = parseArgs({
  options: {
    browser: { type: 'string', default: '/usr/bin/chromium' },
    site: { type: 'string', default: 'site' },
    name: { type: 'string', default: 'registerSync' },
    shots: { type: 'string' },
  },
})
const site = resolve(values.site)
const front = addressOf('index.html')
/** The width and height of a small phone, in CSS pixels. */
const phone = { width: 360, height: 740 }
const desk = { width: 1280, height: 900 }

const browser = await chromium.launch({ executablePath: resolve(values.browser) })
try {
  await search(browser, values.name)
  await fit(browser)
  if (values.shots !== undefined) await keepPictures(browser, values.shots)
} finally {
  await browser.close()
}

/** Searches for a declaration by its name, and reads what the hit documents. */
async function search(browser: Browser, name: string): Promise<void> {
  const page = await browser.newPage({ viewport: desk })
  const strangers: string[] = []
  const errors: string[] = []
  page.on('request', (request) => {
    if (!/^(file|data|blob):/.test(request.url())) strangers.push(request.url())
  })
  page.on('pageerror', (error) => errors.push(error.message))

  await page.goto(front)
  await page.click('#tsd-search-trigger')
  await page.fill('#tsd-search-input', name)
  const hit = page.locator('#tsd-search-results a').filter({ hasText: name }).first()
  console.log(`searched ${name}: ${(await hit.innerText()).replaceAll('\n', ' ')}`)
  await hit.click()
  await page.waitForURL((url) => url.hash !== '' || url.href !== front)

  const target = page.locator(`section.tsd-member:has([id="${decodeURIComponent(new URL(page.url()).hash.slice(1))}"])`)
  const text = await target.innerText()
  console.log(`followed it to ${page.url().slice(front.length - 'index.html'.length)}`)
  assert.match(text, new RegExp(`${name}[^]*Returns`), 'the page of the hit shows no signature of it')
  const comment = (await target.locator('.tsd-comment p').first().innerText()).trim()
  assert.ok(comment.length > 20, 'the page of the hit does not say what it is')
  console.log(`read there: ${comment}`)
  assert.deepEqual(strangers, [], 'the site loads files from other machines')
  assert.deepEqual(errors, [], 'a script of the site threw')
  await page.close()
}

/** No guide is wider than a phone: readers would have to move it to and fro for each line. */
async function fit(browser: Browser): Promise<void> {
  const page = await browser.newPage({ viewport: phone })
  const guides = readdirSync(join(site, 'documents')).map((name) => `documents/${name}`)
  const pages = ['index.html', 'modules/API.html', ...guides]
  const wide: string[] = []
  for (const name of pages) {
    await page.goto(addressOf(name))
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    if (width > phone.width) wide.push(`${name} is ${width} pixels wide`)
  }
  assert.deepEqual(wide, [], `pages are wider than a phone, ${phone.width} pixels`)
  console.log(`looked at ${pages.length} pages, each ${phone.width} pixels wide`)
  await page.close()
}

async function keepPictures(browser: Browser, folder: string): Promise<void> {
  const ways = { light: desk, dark: desk, phone } as const
  for (const [way, viewport] of Object.entries(ways)) {
    const page = await browser.newPage({ viewport, colorScheme: way === 'dark' ? 'dark' : 'light' })
    for (const name of ['index.html', 'modules/API.html', 'documents/RDMA.html', 'interfaces/API.RegionOptions.html']) {
      await page.goto(addressOf(name))
      await page.screenshot({ path: join(folder, `${way}-${name.replaceAll('/', '-')}.png`) })
    }
    await page.close()
  }
}

function addressOf(name: string): string {
  return pathToFileURL(join(site, name)).href
}
