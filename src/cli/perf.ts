import { defineCommand } from 'citty'

/** Measurements of RDMA. */
export const perf = defineCommand({
  meta: { name: 'perf', description: 'Measure RDMA: bandwidth, latency and message rate to a peer; registration' },
  subCommands: {
    bandwidth: () => import('./perf/bandwidth.js').then((module) => module.bandwidth),
    latency: () => import('./perf/latency.js').then((module) => module.latency),
    rate: () => import('./perf/rate.js').then((module) => module.rate),
    compare: () => import('./perf/compare.js').then((module) => module.compare),
    register: () => import('./perf/register.js').then((module) => module.register),
  },
})
