import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { detectVirtualMachine, readMachineSigns } from '../../src/cli/doctor/virtual-machine.js'
import { type DoctorReport, renderDoctor } from '../../src/cli/doctor.js'
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

test('findings are aligned, grouped and counted, and each repair command stands below its finding', () => {
  const report: DoctorReport = {
    schema: 'pinfold/doctor/1',
    pinfold: '1.2.3',
    node: 'v20.19.0',
    kernel: '6.1.0',
    arch: 'x86_64',
    counts: { ok: 1, info: 0, warn: 1, fail: 0, unknown: 1 },
    checks: [
      { id: 'hugepages.pool.2MiB', status: 'warn', seen: 'no pages', mend: 'echo 64 | tee nr_hugepages' },
      { id: 'limits.memlock', status: 'ok', seen: 'unlimited' },
      { id: 'limits.unknown', status: 'unknown', seen: 'not seen' },
    ],
  }
  expect(renderDoctor(report, plain)).toBe(`pinfold 1.2.3, Node v20.19.0, Linux 6.1.0 x86_64

warn     hugepages.pool.2MiB  no pages
                              $ echo 64 | tee nr_hugepages

ok       limits.memlock       unlimited
unknown  limits.unknown       not seen

1 ok, 1 warn, 1 unknown`)
})
