import { describe, expect, test } from 'vitest'
import { detectVirtualMachine } from '../../src/cli/doctor/virtual-machine.js'
import { type DoctorReport, renderDoctor } from '../../src/cli/doctor.js'
import { plain } from '../../src/cli/output.js'

const nothing = { cpuinfo: '', hypervisorType: undefined, deviceTree: undefined, dmi: '' }
const x86Guest = 'flags\t\t: fpu vme hypervisor lahf_lm\n'
const x86Metal = 'flags\t\t: fpu vme lahf_lm\n'

describe('a virtual machine', () => {
  test('on x86 is told by the processor, and named by its firmware', () => {
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest })).toBe('unnamed')
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest, dmi: 'QEMU Standard PC' })).toBe('QEMU')
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest, dmi: 'Amazon EC2 m5.large' })).toBe('Amazon EC2')
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest, hypervisorType: 'xen' })).toBe('Xen')
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Guest, dmi: 'Microsoft Corporation Virtual Machine' })).toBe(
      'Hyper-V',
    )
  })

  test('is not a bare-metal machine that carries a cloud’s name', () => {
    expect(detectVirtualMachine({ ...nothing, cpuinfo: x86Metal, dmi: 'Amazon EC2 m5.metal' })).toBeUndefined()
  })

  test('on arm64 is told by the device tree or the firmware', () => {
    const cpuinfo = 'Features\t: fp asimd\n'
    expect(detectVirtualMachine({ ...nothing, cpuinfo })).toBeUndefined()
    expect(detectVirtualMachine({ ...nothing, cpuinfo, deviceTree: 'linux,kvm\0' })).toBe('KVM')
    expect(detectVirtualMachine({ ...nothing, cpuinfo, dmi: 'Apple Virtualization Generic Platform' })).toBe(
      'Apple Virtualization',
    )
  })
})

test('findings are aligned, grouped, summed up, and each mend stands below its own', () => {
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
