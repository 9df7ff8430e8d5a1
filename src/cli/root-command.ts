import { defineCommand } from 'citty'
import { readPackageVersion } from './package-version.js'

/**
 * The tree of commands. Each command is loaded when it is named, so one that cannot be loaded does not disable the
 * others.
 */
export const rootCommand = defineCommand({
  meta: {
    name: 'pinfold',
    version: readPackageVersion(),
    description: 'Memory that devices can use: hugepage regions, their physical addresses, RDMA',
  },
  subCommands: {
    doctor: () => import('./doctor.js').then((module) => module.doctor),
    hugepages: () => import('./hugepages.js').then((module) => module.hugepages),
    translate: () => import('./translate.js').then((module) => module.translate),
    map: () => import('./map.js').then((module) => module.map),
    whose: () => import('./whose.js').then((module) => module.whose),
    devices: () => import('./devices.js').then((module) => module.devices),
    lab: () => import('./lab.js').then((module) => module.lab),
    perf: () => import('./perf.js').then((module) => module.perf),
    bench: () => import('./bench.js').then((module) => module.bench),
    demo: () => import('./demo.js').then((module) => module.demo),
    completion: () => import('./completion.js').then((module) => module.completion),
  },
})
