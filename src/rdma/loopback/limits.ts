/** The limits of the loopback: those of a mid-range adapter, so that a program that fits here fits there, too. */
export const limits = {
  requests: 16_384,
  entries: 32,
  inlineBytes: 1024,
  reads: 128,
  completions: 4_194_304,
  sharedRequests: 32_768,
  objects: 2 ** 20,
  deviceMemory: 256 * 1024,
} as const
