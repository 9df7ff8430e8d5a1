import { describe, expect, test } from 'vitest'
import { architectureOf } from '../../src/lab/architectures.js'
import { emulatorArguments, type MachinePlan, wireDescriptors } from '../../src/lab/emulator-arguments.js'
import { checkedLabOptions, type LabOptions } from '../../src/lab/lab-options.js'

function plan(options: Partial<LabOptions> = {}, others: Partial<MachinePlan> = {}): MachinePlan {
  return {
    architecture: architectureOf('x64'),
    emulator: { path: 'qemu', libraries: [], data: [] },
    accelerator: 'tcg',
    image: '/vmlinux',
    initramfs: '/initramfs',
    tools: undefined,
    counterKilohertz: undefined,
    host: 0,
    options: checkedLabOptions({ command: ['true'], ...options }),
    out: undefined,
    terminal: false,
    ...others,
  }
}

function words(options: Partial<LabOptions> = {}, others: Partial<MachinePlan> = {}): string {
  return emulatorArguments(plan(options, others)).join(' ')
}

describe('a machine', () => {
  test('has two processors, 3 GiB and no special device by default', () => {
    expect(words()).toContain('-smp 2 -m 3072M')
    expect(words()).not.toMatch(/edu|intel-iommu|-numa|virtconsole/)
  })

  test('spreads memory and processors over its nodes, with at least one processor on each', () => {
    expect(words({ numa: 2, cpus: 5, memory: '3GiB' })).toContain(
      '-object memory-backend-ram,id=node0,size=1536M -numa node,nodeid=0,memdev=node0,cpus=0-1 ' +
        '-object memory-backend-ram,id=node1,size=1536M -numa node,nodeid=1,memdev=node1,cpus=2-4',
    )
    expect(words({ numa: 4, cpus: 1 })).toContain('-smp 4')
    // A size that the nodes cannot share evenly is rounded up.
    expect(words({ numa: 3, memory: '1000MiB' })).toContain('-m 1002M')
  })

  test('gets its IOMMU before other devices, and its kernel uses it', () => {
    const all = words({ iommu: true })
    expect(all).toContain('kernel-irqchip=split')
    expect(all).toContain('intel_iommu=on')
    expect(all.indexOf('intel-iommu')).toBeLessThan(all.indexOf('virtio-rng-pci'))
  })

  test('has the board, the console and the IOMMU of its processor', () => {
    const of = (iommu: boolean) => words({ iommu }, { architecture: architectureOf('arm64') })
    expect(of(false)).toContain('-machine virt,gic-version=3 -accel tcg,thread=multi -cpu max,pauth-impdef=on ')
    expect(of(false)).toContain(' console=ttyAMA0 ')
    expect(of(false)).not.toMatch(/iommu|q35|ttyS0|tsc=/)
    expect(of(true)).toContain('-machine virt,gic-version=3,iommu=smmuv3 ')
    expect(of(true)).not.toMatch(/intel/)
  })

  test('uses its own /usr if the programs of this machine are for another processor', () => {
    const other = process.arch === 'arm64' ? 'x64' : 'arm64'
    expect(words({}, { architecture: architectureOf(other) })).toContain(' lab.system=1')
    expect(words({}, { architecture: architectureOf(undefined) })).not.toContain('lab.system')
  })

  test('tells its kernel the frequency of the clock, if it is known', () => {
    expect(words({}, { counterKilohertz: 2_096_026 })).toContain(' tsc_early_khz=2096026 ')
    expect(words()).not.toContain('tsc_early_khz')
  })

  test('shares folders with commas in their names, and only the output folder is writable', () => {
    const all = words({}, { out: '/a,b', tools: '/t' })
    expect(all).toContain('path=/a,,b,mount_tag=out,security_model=none,multidevs=remap -')
    expect(all.match(/readonly=on/g)).toHaveLength(2)
  })
})

describe('wires', () => {
  test('of three machines all end in the first machine', () => {
    expect(wireDescriptors(0, 3)).toHaveLength(2)
    expect(wireDescriptors(2, 3)).toHaveLength(1)
    expect(wireDescriptors(0, 1)).toEqual([])
    const [first, second] = wireDescriptors(0, 3)
    const all = words({ hosts: 3 })
    expect(all).toContain(`socket,id=wire0,fd=${first} -netdev hubport,id=hub0,hubid=0,netdev=wire0`)
    expect(all).toContain(`socket,id=wire1,fd=${second} -netdev hubport,id=hub1,hubid=0,netdev=wire1`)
    expect(words({ hosts: 3 }, { host: 2 })).toContain('mac=52:54:00:50:46:02')
  })
})

describe('options of a lab', () => {
  test.each<[Record<string, unknown>, string]>([
    [{ command: [] }, 'command: expected a command'],
    [{ command: ['a\0b'] }, 'without NUL'],
    [{ command: 'true' }, 'command'],
    [{ command: undefined }, 'command: expected a command'],
    [{ commands: [['true']] }, 'expected either command or commands'],
    [{ command: undefined, commands: [['true'], ['false']], hosts: 3 }, 'as many hosts as commands'],
    [{ command: undefined, commands: [['a\0b']] }, 'without NUL'],
    [{ arch: 'mips' }, "arch: expected 'x64' or 'arm64', received 'mips'"],
    [{ hosts: 9 }, 'hosts: expected a whole number from 1 to 8'],
    [{ cpus: 1.5 }, 'cpus'],
    [{ memory: '1MiB' }, 'memory: expected 256MiB or more'],
    [{ env: { 'a b': '' } }, 'env'],
    [{ env: { A: 'x\0' } }, 'env.A: expected a text without NUL'],
    [{ timeLimit: 0 }, 'timeLimit'],
    [{ kernal: '6.1' }, 'kernal: there is no such option'],
  ])('%j are refused', (options, message) => {
    const given = { command: ['true'], ...options }
    expect(() => Reflect.apply(checkedLabOptions, undefined, [given])).toThrowCode('ERR_INVALID_ARGUMENT', {
      message: expect.stringContaining(message),
    })
  })
})
