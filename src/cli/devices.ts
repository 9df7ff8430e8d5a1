import { defineCommand } from 'citty'
import { commonArguments } from './arguments.js'
import { readDevices } from './devices/read.js'
import { renderDevices } from './devices/render.js'
import { Output } from './output.js'

/**
 * Shows what ibv_devinfo shows, and the GID table, of every RDMA device that programs can open, including the loopback.
 */
export const devices = defineCommand({
  meta: { name: 'devices', description: 'Show RDMA devices: ports, GIDs, what they can do' },
  args: {
    name: { type: 'positional', description: 'One device only, such as mlx5_0', required: false },
    verbose: { type: 'boolean', description: 'Show all attributes, as ibv_devinfo -v does' },
    ...commonArguments,
  },
  run({ args }) {
    const view = { verbose: args.verbose === true, all: args.name === undefined }
    const output = new Output({ json: args.json === true })
    output.report(readDevices(args.name), (report, paint) => renderDevices(report, paint, view))
  },
})
