import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { asNobody } from '../support/child-process.js'
import { Examples, outputsShown } from '../support/examples.js'
import { needs, whyNotBuilt, whyNotNobody, whyNotPhysical, whyNotTransparent } from '../support/requirements.js'

const examples = new Examples()
afterAll(() => examples[Symbol.dispose]())
beforeEach((context) => needs(context, whyNotBuilt))

describe('the NVMe-like driver', () => {
  test.for(['the best pages', 'transparent', 'base'])('moves data through PRP lists, on %s', (pages, context) => {
    const isNamed = pages !== 'the best pages'
    needs(context, whyNotPhysical, pages === 'transparent' ? whyNotTransparent : undefined)
    const { status, stdout, stderr } = examples.run('nvme-driver', isNamed ? [pages] : [])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(outputsShown('nvme-driver')[0] ?? /nothing/)
    if (isNamed) expect(stdout).toContain(`${pages} pages in`)
    expect(stdout).toContain('wrote 4MiB: 1025 PRP entries, 3 pages of PRP list')
  })

  test('says how to see physical addresses when it may not', (context) => {
    needs(context, whyNotPhysical, whyNotNobody())
    const { status, stderr } = examples.run('nvme-driver', ['base'], asNobody)
    expect(status).toBe(1)
    expect(stderr).toContain('ERR_PFN_HIDDEN')
    expect(stderr).toMatch(/hint: .*CAP_SYS_ADMIN|hint: .*setcap|hint: .*root/)
  })

  test('refuses pages of a kind that does not exist', () => {
    const { status, stdout, stderr } = examples.run('nvme-driver', ['3MiB'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain("or a page size such as '2MiB', received '3MiB'")
  })
})
