import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readHugetlbMounts, readMountState } from '../../src/cli/hugepages/mounts.js'
import { readPool } from '../../src/hugepages/index.js'
import { formatSize } from '../../src/sizes.js'
import { asNobody, Program } from '../support/child-process.js'
import { jsonOf, pinfold } from '../support/command-line.js'
import { pageSize } from '../support/hugepage-pools.js'
import { needs, whyNotBuilt, whyNotNobody, whyNotPools } from '../support/requirements.js'

const reason = whyNotBuilt ?? whyNotPools()
const size = formatSize(pageSize)

describe('a hugetlbfs', () => {
  let folder: string

  beforeEach((context) => {
    needs(context, reason)
    folder = mkdtempSync(join(tmpdir(), 'pinfold-mount-'))
  })

  afterEach(async () => {
    if (reason !== undefined) return
    for (const { path } of readHugetlbMounts().filter(({ path }) => path.startsWith(folder))) {
      await pinfold(['hugepages', 'unmount', path, '--discard-files'])
    }
    rmSync(folder, { recursive: true })
  })

  const mounted = (path: string) => readHugetlbMounts().find((mount) => mount.path === path)

  test('that cannot be mounted is refused by a dry run, too', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    const full = ['mount', folder, '--dry-run']
    expect(await pinfold(['hugepages', ...full])).toMatchObject({ code: 2, stdout: '' })
    for (const dry of [[], ['--dry-run']]) {
      const below = await pinfold(['hugepages', 'mount', join(file, 'below'), ...dry])
      expect(below).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('a folder to mount on') })
    }
    expect((await pinfold(['hugepages', 'mount', '/proc/pinfold-test'])).code).toBe(1)
    rmSync(file)
  })

  test('that is the working directory of a process is not unmounted, and a dry run says so', async () => {
    const path = join(folder, 'busy')
    expect(await pinfold(['hugepages', 'mount', path])).toMatchObject({ code: 0 })
    await using user = new Program(['sh', '-c', `cd ${path} && echo there && cat`])
    expect(await user.line()).toBe('there')
    for (const dry of [['--dry-run'], []]) {
      const run = await pinfold(['hugepages', 'unmount', path, ...dry])
      expect(run).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(`(${user.pid})`) })
    }
  })

  test('is mounted with page size, limits, mode and owner in a new folder, and unmounted', async () => {
    const path = join(folder, "deep/with space, comma 'quote' $(touch x); é")
    const limit = 4 * pageSize
    const words = ['--page-size', size, '--size', formatSize(limit), '--mode', '1770', '--owner', '65534:root']
    const dry = await pinfold(['hugepages', 'mount', path, ...words, '--dry-run', '--json'])
    expect(jsonOf(dry)).toMatchObject({ schema: 'pinfold/hugepages-mount/1', dryRun: true, changed: true, path })
    expect(readdirSync(folder)).toEqual([])

    const run = await pinfold(['hugepages', 'mount', path, ...words, '--json'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(jsonOf(run)).toMatchObject({ changed: true, pageSize, command: jsonOf(dry).command })
    const mount = mounted(path)
    expect(mount).toEqual({ path, pageSize, size: limit, minSize: undefined })
    expect(mount === undefined ? undefined : readMountState(mount)).toEqual({
      mode: '01770',
      uid: 65534,
      gid: 0,
      free: limit,
    })
    const { mounts } = jsonOf(await pinfold(['hugepages', '--json']))
    expect(mounts).toContainEqual(expect.objectContaining({ path, size: limit, mode: '01770', owner: 'nobody:root' }))

    const again = await pinfold(['hugepages', 'mount', path, ...words, '--json'])
    expect(again.code).toBe(0)
    expect(jsonOf(again)).toMatchObject({ changed: false })
    const other = await pinfold(['hugepages', 'mount', path, '--size', formatSize(2 * limit)])
    expect(other).toMatchObject({ code: 1, stdout: '' })

    const unmounted = await pinfold(['hugepages', 'unmount', path, '--json'])
    expect(jsonOf(unmounted)).toMatchObject({ schema: 'pinfold/hugepages-unmount/1', path, files: [] })
    expect(mounted(path)).toBeUndefined()
  })

  test('that contains files is unmounted only with --discard-files', async () => {
    await pinfold(['hugepages', 'mount', folder, '--page-size', size])
    writeFileSync(join(folder, 'rtemap_0'), '')
    const refused = await pinfold(['hugepages', 'unmount', folder])
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('rtemap_0')
    expect(mounted(folder)).toBeDefined()
    expect((await pinfold(['hugepages', 'unmount', folder, '--discard-files'])).code).toBe(0)
    expect(mounted(folder)).toBeUndefined()
  })

  test('that reserves pages is refused if there are too few, and leaves no folder', async () => {
    const path = join(folder, 'new')
    const { free } = readPool(pageSize)
    const run = await pinfold(['hugepages', 'mount', path, '--page-size', size, '--min-size', (free + 1) * pageSize])
    expect(run.code).toBe(5)
    expect(readdirSync(folder)).toEqual([])
  })

  test('is not mounted over a folder with files, and not unmounted where no hugetlbfs is mounted', async () => {
    writeFileSync(join(folder, 'precious'), '')
    expect(await pinfold(['hugepages', 'mount', folder])).toMatchObject({ code: 2 })
    const run = await pinfold(['hugepages', 'unmount', folder])
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('nothing is mounted there')
    expect((await pinfold(['hugepages', 'unmount', '/proc'])).stderr).toContain('it is a proc')
  })

  test('cannot be mounted without privileges: exit code 4, and nothing is left', async (context) => {
    needs(context, whyNotNobody())
    const path = join(tmpdir(), `pinfold-nobody-${process.pid}`)
    const run = await pinfold(['hugepages', 'mount', path, '--page-size', size], { prefix: asNobody })
    expect(run.code).toBe(4)
    expect(run.stderr).toContain(`sudo mount -t hugetlbfs -o pagesize=${pageSize} -- hugetlbfs ${path}`)
    expect(existsSync(path)).toBe(false)
  })
})
