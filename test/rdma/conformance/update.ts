import { writeFileSync } from 'node:fs'
import { openDevice } from '../../../src/rdma/devices/open-device.js'
import { suiteInLab } from './in-lab.js'
import { judge } from './judge.js'
import { reportOf } from './report.js'
import { suite } from './suite.js'

// Runs the suite on both devices and writes the report: node --import tsx test/rdma/conformance/update.ts

const verdicts = []
for (const one of suite) verdicts.push(await judge(one, () => openDevice({ loopback: true })))
const loopback = { device: 'loopback', verdicts }
writeFileSync('docs/rdma-conformance.md', reportOf([loopback, await suiteInLab()]))
