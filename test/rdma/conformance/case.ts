import type { Kit } from './kit.js'

/** One thing that every RDMA device does, or refuses to do. */
export interface Case {
  /** What it belongs to, as the report's headings have it. */
  readonly group: string
  /** What is done, in words; with the group it names the case. */
  readonly name: string
  /** What comes of it: the status of the completion, the code of the error, or another word that `run` gives. */
  readonly expects: string
  /**
   * Does it, and tells what came of it. What else must be true (the bytes, the neighbours) it asserts.
   *
   * @throws Unsupported when the device cannot do this at all
   */
  run(kit: Kit): string | Promise<string>
}

/** What a case of `group` is made of. */
export type CaseOfGroup = Omit<Case, 'group'>

export function group(name: string, cases: readonly CaseOfGroup[]): Case[] {
  return cases.map((one) => ({ group: name, ...one }))
}

/** The device has said that it cannot do what a case is about. It is reported with the reason, never passed over. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported'
}

/** How a case went on a device. */
export interface Verdict {
  readonly group: string
  readonly name: string
  readonly expects: string
  readonly state: 'passed' | 'failed' | 'unsupported'
  /** Of a failure what came instead; of what is unsupported the reason; else ''. */
  readonly detail: string
}
