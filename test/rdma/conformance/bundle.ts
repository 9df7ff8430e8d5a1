import { build } from 'esbuild'

/**
 * The suite as one file, since a program in the lab starts under emulation, where loading hundreds of modules takes longer
 * than running them. It stands in build/, from where it finds the addon of this checkout.
 */
export async function bundleSuite(): Promise<string> {
  const outfile = 'build/conformance.mjs'
  await build({
    entryPoints: ['test/rdma/conformance/main.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'error',
  })
  return outfile
}
