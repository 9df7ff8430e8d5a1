import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type FindingStatus, finding } from '../../src/cli/doctor/finding.js'
import { answerPurposes, type PurposeName } from '../../src/cli/doctor/purposes.js'
import { renderDoctor } from '../../src/cli/doctor/render.js'
import { detectVirtualMachine, readMachineSigns } from '../../src/cli/doctor/virtual-machine.js'
import type { DoctorReport } from '../../src/cli/doctor.js'
import { plain } from '../../src/cli/output.js'

const deviceTree = { hypervisor: undefined, machine: [], nodes: [], isPowerPartition: false }
const nothing = { cpuinfo: '', hypervisorType: undefined, deviceTree, dmi: '' }
const x86Guest = 'flags\t\t: fpu vme hypervisor lahf_lm\n'
const x86Metal = 'flags\t\t: fpu vme lahf_lm\n'

describe('a virtual machine', () => {
  test('on x86 is recognized by the processor, and named by its firmware', () => {
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest })).toBe('unnamed')
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest, dmi: 'QEMU Standard PC' })).toBe('QEMU')
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest, dmi: 'Amazon EC2 m5.large' })).toBe('Amazon EC2')
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest, hypervisorType: 'xen' })).toBe('Xen')
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest, dmi: 'Microsoft Corporation Virtual Machine' })).toBe(
      'Hyper-V',
    )
  })

  test('is not recognized on bare metal, even if the firmware names a cloud', () => {
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Metal, dmi: 'Amazon EC2 m5.metal' })).toBeUndefined()
  })

  test('on arm64 is recognized by the device tree or the firmware', () => {
    const cpuinfo = 'Features\t: fp asimd\n'
    expect(detectVirtualMachine({ ...nothing, cpuinfo })).toBeUndefined()
    expect(detectVirtualMachine({ ...nothing, cpuinfo, deviceTree: { ...deviceTree, hypervisor: 'linux,kvm' } })).toBe(
      'KVM',
    )
    expect(detectVirtualMachine({ ...nothing, cpuinfo, dmi: 'Apple Virtualization Generic Platform' })).toBe(
      'Apple Virtualization',
    )
  })
})

describe('a device tree', () => {
  /** The virtual machine that is recognized by these files; each string of a property ends with a zero. */
  function machineWith(files: Readonly<Record<string, string>>): string | undefined {
    const root = mkdtempSync(`${tmpdir()}/pinfold-machine-`)
    onTestFinished(() => rmSync(root, { recursive: true }))
    const all = { '/proc/cpuinfo': 'processor\t: 0\nFeatures\t: fp asimd evtstrm\nCPU part\t: 0x051\n', ...files }
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(dirname(root + path), { recursive: true })
      writeFileSync(root + path, text)
    }
    return detectVirtualMachine(readMachineSigns(root))
  }
  const tree = '/proc/device-tree'

  test.each([
    // qemu-system-aarch64 -M virt -accel tcg, without and with its firmware's node
    ['a virtual kind of machine', { [`${tree}/compatible`]: 'linux,dummy-virt\0' }, 'unnamed'],
    [
      'a machine with the fw-cfg node of QEMU',
      { [`${tree}/compatible`]: 'linux,dummy-virt\0', [`${tree}/fw-cfg@9020000/compatible`]: 'qemu,fw-cfg-mmio\0' },
      'QEMU',
    ],
    ['KVM', { [`${tree}/hypervisor/compatible`]: 'linux,kvm\0' }, 'KVM'],
    ['Xen', { [`${tree}/hypervisor/compatible`]: 'xen,xen-4.17\0xen,xen\0' }, 'Xen'],
    ['another hypervisor', { [`${tree}/hypervisor/compatible`]: 'acme,hv\0' }, 'unnamed'],
    ['pseries', { [`${tree}/compatible`]: 'qemu,pseries\0' }, 'QEMU'],
    ['a partition', { [`${tree}/ibm,partition-name`]: 'lpar\0', [`${tree}/hmc-managed?`]: '' }, 'PowerVM'],
    ['a board', { [`${tree}/compatible`]: 'raspberrypi,4-model-b\0brcm,bcm2711\0' }, undefined],
  ])('of %s shows whether the machine is virtual', (_, files, name) => {
    expect(machineWith(files)).toBe(name)
  })
})

describe('the answer by purpose', () => {
  type Check = readonly [id: string, status: FindingStatus, seen: string, more?: Parameters<typeof finding>[3]]
  const groups = ['machine', 'native', 'kernel', 'hugepages', 'thp', 'limits', 'privileges', 'rdma']

  function answerFor(purpose: PurposeName, checks: readonly Check[]) {
    const answers = answerPurposes(
      checks.map((check) => finding(...check)),
      groups,
    )
    return answers.find((answer) => answer.purpose === purpose)
  }

  const full: Check = ['hugepages.pool.2MiB', 'ok', '64 pages, 32 free']
  const empty: Check = ['hugepages.pool.2MiB', 'warn', 'no pages', { mend: 'echo 64' }]
  const transparent: Check = ['thp.enabled', 'ok', 'madvise']
  const visible: Check = ['privileges.pfn', 'ok', 'visible']
  const noDevice: Check = ['rdma.devices', 'info', 'no real device']
  const device: Check = ['rdma.device.rxe0', 'ok', 'port 1 ACTIVE']
  const library: Check = ['rdma.libibverbs', 'ok', 'libibverbs.so.1', { values: { path: '/lib/libibverbs.so.1' } }]
  const noLibrary: Check = ['rdma.libibverbs', 'info', 'not installed', { mend: 'install', values: { path: null } }]
  const soft: Check = ['rdma.modules', 'info', 'none', { mend: 'modprobe', values: { softRoce: true } }]
  const noSoft: Check = ['rdma.modules', 'info', 'none', { values: { softRoce: false } }]
  const twoNodes: Check = ['machine.numa', 'ok', 'node 0 and 1', { values: { nodes: [{ node: 0 }, { node: 1 }] } }]
  const policy: Check = ['kernel.numa-policy', 'ok', 'mbind']
  const bareNode: Check = ['hugepages.pool.2MiB.node1', 'info', 'no pages', { mend: 'echo 64 on node1' }]
  const noAddon: Check = ['native.addon', 'fail', 'not built', { mend: 'npm run build' }]

  const cases: readonly (readonly [
    what: string,
    PurposeName,
    readonly Check[],
    answer: string,
    command: string | null,
  ])[] = [
    ['with free hugepages', 'hugepages', [full, transparent], 'yes', null],
    ['with transparent pages only', 'hugepages', [empty, transparent], 'partly', 'echo 64'],
    ['with neither', 'hugepages', [empty, ['thp.enabled', 'warn', 'never', { mend: 'echo madvise' }]], 'no', 'echo 64'],
    [
      'with free hugepages beyond the limit of a cgroup',
      'hugepages',
      [full, transparent, ['limits.cgroup.hugetlb.2MiB', 'warn', '0B of 4MiB used', { mend: 'echo 1' }]],
      'partly',
      'echo 1',
    ],
    [
      'with an empty pool of another size',
      'hugepages',
      [full, ['hugepages.pool.1GiB', 'info', 'no pages', { mend: 'echo 1' }]],
      'yes',
      null,
    ],
    ['of root', 'physical-addresses', [visible, ['privileges.page-flags', 'ok', 'readable']], 'yes', null],
    [
      'without page flags',
      'physical-addresses',
      [visible, ['privileges.page-flags', 'info', 'EACCES', { mend: 'a' }]],
      'partly',
      'a',
    ],
    [
      'that are hidden',
      'physical-addresses',
      [['privileges.pfn', 'warn', 'hidden', { mend: 'setcap' }]],
      'no',
      'setcap',
    ],
    ['with a device', 'rdma', [library, ['rdma.modules', 'ok', 'rdma_rxe'], device], 'yes', null],
    ['with a device, but no library', 'rdma', [noLibrary, device], 'partly', 'install'],
    [
      'with a device that cannot be opened',
      'rdma',
      [library, ['rdma.device.mlx5_0', 'warn', 'no', { mend: 'up' }]],
      'partly',
      'up',
    ],
    ['without a device', 'rdma', [library, soft, noDevice], 'partly', 'modprobe'],
    ['without a device and its library', 'rdma', [noLibrary, soft, noDevice], 'partly', 'install && modprobe'],
    ['that no command can repair', 'rdma', [noLibrary, noSoft, noDevice], 'partly', null],
    [
      'that has all it needs',
      'lab',
      [['rdma.lab', 'ok', 'it can', { mend: 'lab run', values: { kvm: true } }]],
      'yes',
      null,
    ],
    ['without QEMU', 'lab', [['rdma.lab', 'info', 'no QEMU', { mend: 'dnf install' }]], 'no', 'dnf install'],
    ['on one node', 'numa', [['machine.numa', 'ok', 'node 0', { values: { nodes: [{ node: 0 }] } }]], 'yes', null],
    ['on two nodes with pages', 'numa', [twoNodes, policy, full], 'yes', null],
    [
      'on two nodes, one of them without pages',
      'numa',
      [twoNodes, policy, full, bareNode],
      'partly',
      'echo 64 on node1',
    ],
    ['without support of the kernel', 'numa', [twoNodes, ['kernel.numa-policy', 'info', 'no mbind']], 'no', null],
    ['who see addresses', 'other-users', [['privileges.other-users', 'ok', 'a']], 'yes', null],
    [
      'who see no addresses',
      'other-users',
      [['privileges.other-users', 'info', 'a', { mend: 'setcap', values: { frames: 'hidden' } }]],
      'partly',
      'setcap',
    ],
    [
      'who cannot run Node',
      'other-users',
      [['privileges.other-users', 'info', 'a', { values: { frames: null } }]],
      'no',
      null,
    ],
    ['that could not be tried', 'other-users', [['privileges.other-users', 'unknown', 'a']], 'unknown', null],
    ['without the native part', 'hugepages', [noAddon, ['hugepages.unknown', 'unknown', 'a']], 'no', 'npm run build'],
    ['that could not be read', 'hugepages', [['hugepages.unknown', 'unknown', 'EIO']], 'unknown', null],
  ]

  test.each(cases)('%s (%s) is given with its command', (_, purpose, checks, answer, command) => {
    expect(answerFor(purpose, checks)).toMatchObject({ answer, command })
    expect(answerFor(purpose, checks)?.reason).toMatch(/^[^\n]+$/)
  })

  test('is left out if a group that decides it was not checked', () => {
    const names = answerPurposes([], ['rdma']).map(({ purpose }) => purpose)
    expect(names).toEqual(['rdma', 'lab'])
  })
})

describe('the text of doctor', () => {
  const report: DoctorReport = {
    schema: 'pinfold/doctor/1',
    pinfold: '1.2.3',
    node: 'v20.19.0',
    kernel: '6.1.0',
    arch: 'x86_64',
    purposes: [
      { purpose: 'hugepages', answer: 'partly', reason: 'no page is free', command: 'echo 64 | tee nr_hugepages' },
      { purpose: 'lab', answer: 'yes', reason: 'with KVM', command: null },
    ],
    counts: { ok: 1, info: 1, warn: 1, fail: 1, unknown: 0 },
    checks: [
      { id: 'hugepages.pool.2MiB', status: 'warn', seen: 'no pages', mend: 'echo 64 | tee nr_hugepages' },
      { id: 'hugepages.mounts', status: 'info', seen: 'none', mend: 'mount -t hugetlbfs' },
      { id: 'limits.memlock', status: 'ok', seen: 'unlimited' },
      { id: 'limits.cgroup.memory', status: 'fail', seen: 'full', mend: 'echo max | tee memory.max' },
    ],
  }

  test('has a line for each purpose, and shows the checks that decide the exit code', () => {
    expect(
      renderDoctor(report, plain, { verbose: false, problems: ['fail'] }),
    ).toBe(`pinfold 1.2.3, Node v20.19.0, Linux 6.1.0 x86_64

hugepage regions  partly  no page is free
                          $ echo 64 | tee nr_hugepages
lab               yes     with KVM

fail  limits.cgroup.memory  full
                            $ echo max | tee memory.max

4 checks: 1 ok, 1 info, 1 warn, 1 fail; -v shows each check`)
  })

  test('with -v shows all checks in groups, each command once, and none for what is only a fact', () => {
    const text = renderDoctor(report, plain, { verbose: true, problems: ['fail'] })
    expect(text.split('\n\n').slice(2).join('\n\n')).toBe(`warn  hugepages.pool.2MiB   no pages
info  hugepages.mounts      none

ok    limits.memlock        unlimited
fail  limits.cgroup.memory  full
                            $ echo max | tee memory.max

4 checks: 1 ok, 1 info, 1 warn, 1 fail`)
    expect(text.match(/nr_hugepages/g)).toHaveLength(1)
  })
})
