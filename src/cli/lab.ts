import { defineCommand } from 'citty'
import { run } from './lab/run.js'
import { shell } from './lab/shell.js'

/** Virtual machines in which any Linux box has an RDMA device. */
export const lab = defineCommand({
  meta: { name: 'lab', description: 'Run commands in a virtual machine that has an RDMA device (Soft-RoCE)' },
  subCommands: { run, shell },
})
