import { build } from 'esbuild'

/**
 * Bundles the suite into one file, since loading hundreds of modules under emulation takes longer than running them.
 * The file lies in build/, where it finds the addon of this checkout.
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
