import { defineCommand } from 'citty'

/** The machine's hugepage pools and hugetlbfs mounts. `hugepages` without another word runs `show`. */
export const hugepages = defineCommand({
  meta: { name: 'hugepages', description: 'Show, reserve and release hugepages; mount and unmount hugetlbfs' },
  default: 'show',
  subCommands: {
    show: () => import('./hugepages/show.js').then((module) => module.show),
    reserve: () => import('./hugepages/reserve.js').then((module) => module.reserve),
    release: () => import('./hugepages/release.js').then((module) => module.release),
    mount: () => import('./hugepages/mount.js').then((module) => module.mount),
    unmount: () => import('./hugepages/unmount.js').then((module) => module.unmount),
  },
})
