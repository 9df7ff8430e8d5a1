import { defineCommand } from 'citty'
import { run } from './lab/run.js'
import { shell } from './lab/shell.js'

/** Commands in virtual machines that have an RDMA device, whether or not this machine has one. */
export const lab = defineCommand({
  meta: { name: 'lab', description: 'Run commands in a virtual machine that has an RDMA device (Soft-RoCE)' },
  subCommands: { run, shell },
})
