/** The limits of a mid-range adapter, so a program that fits the loopback fits such an adapter, too. */
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
