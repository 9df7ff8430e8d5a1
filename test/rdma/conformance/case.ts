import type { Kit } from './kit.js'

/** An action that every RDMA device does, or refuses to do. */
export interface Case {
  /** The heading of the report under which the case stands. */
  readonly group: string
  /** The action, in words. The group and this name identify the case. */
  readonly name: string
  /** The expected outcome: the status of the completion, the code of the error, or another word that `run` returns. */
  readonly expects: string
  /**
   * Does the action, and returns its outcome. Asserts the other conditions, such as the bytes and their neighbours.
   *
   * @throws Unsupported if the device cannot do this at all
   */
  run(kit: Kit): string | Promise<string>
}

/** A case without its group. */
export type CaseOfGroup = Omit<Case, 'group'>

export function group(name: string, cases: readonly CaseOfGroup[]): Case[] {
  return cases.map((one) => ({ group: name, ...one }))
}

/** The device has reported that it cannot do the action of a case. The report gives the reason. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported'
}

/** The result of a case on a device. */
export interface Verdict {
  readonly group: string
  readonly name: string
  readonly expects: string
  readonly state: 'passed' | 'failed' | 'unsupported'
  /** The outcome of a failed case, the reason of an unsupported case, or ''. */
  readonly detail: string
}
