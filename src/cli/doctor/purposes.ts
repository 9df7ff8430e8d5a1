import type { Finding } from './finding.js'

/** The answer for one purpose. `unknown`: a check that decides it could not be made. */
export type Answer = 'yes' | 'partly' | 'no' | 'unknown'

/** What a machine can be used for, in one line. */
export interface Purpose {
  /** A stable name. */
  readonly purpose: PurposeName
  readonly answer: Answer
  /** Why, on one line. */
  readonly reason: string
  /** The one command that repairs it; null if there is nothing to repair, or no command that could. */
  readonly command: string | null
}

export type PurposeName = 'hugepages' | 'physical-addresses' | 'rdma' | 'lab' | 'numa' | 'other-users'

interface Question {
  readonly purpose: PurposeName
  /** The groups of checks that decide. The purpose is left out if one of them was not checked. */
  readonly groups: readonly string[]
  answer(checks: Checks): Omit<Purpose, 'purpose'>
}

const questions: readonly Question[] = [
  { purpose: 'hugepages', groups: ['hugepages', 'thp', 'limits'], answer: hugepageRegions },
  { purpose: 'physical-addresses', groups: ['machine', 'privileges'], answer: physicalAddresses },
  { purpose: 'rdma', groups: ['rdma'], answer: rdma },
  { purpose: 'lab', groups: ['rdma'], answer: lab },
  { purpose: 'numa', groups: ['machine', 'kernel', 'hugepages'], answer: numa },
  { purpose: 'other-users', groups: ['privileges'], answer: otherUsers },
]

/**
 * Answers, from the findings of the groups that were checked, what the machine can be used for. A command is given only
 * if it has to be run.
 */
export function answerPurposes(findings: readonly Finding[], groups: readonly string[]): Purpose[] {
  const checks = new Checks(findings)
  return questions
    .filter((question) => question.groups.every((group) => groups.includes(group)))
    .map((question) => ({ purpose: question.purpose, ...answerOne(question, checks) }))
}

function answerOne({ groups, answer }: Question, checks: Checks): Omit<Purpose, 'purpose'> {
  const native = checks.get('native.addon')
  const unmade = groups.flatMap((group) => checks.get(`${group}.unknown`) ?? [])[0]
  if (unmade === undefined) return answer(checks)
  if (native?.status === 'fail') return no("pinfold's native part does not load", native.mend)
  return { answer: 'unknown', reason: unmade.seen, command: unmade.mend ?? null }
}

/** The findings by their ids. */
class Checks {
  readonly #findings: readonly Finding[]

  constructor(findings: readonly Finding[]) {
    this.#findings = findings
  }

  get(id: string): Finding | undefined {
    return this.#findings.find((found) => found.id === id)
  }

  matching(pattern: RegExp): readonly Finding[] {
    return this.#findings.filter(({ id }) => pattern.test(id))
  }

  isOk(id: string): boolean {
    return this.get(id)?.status === 'ok'
  }
}

function yes(reason: string): Omit<Purpose, 'purpose'> {
  return { answer: 'yes', reason, command: null }
}

function partly(reason: string, command: string | undefined): Omit<Purpose, 'purpose'> {
  return { answer: 'partly', reason, command: command ?? null }
}

function no(reason: string, command?: string): Omit<Purpose, 'purpose'> {
  return { answer: 'no', reason, command: command ?? null }
}

const poolPattern = /^hugepages\.pool\.([^.]+)$/

function hugepageRegions(checks: Checks): Omit<Purpose, 'purpose'> {
  const pools = checks.matching(poolPattern)
  const usable = pools.filter(({ status }) => status === 'ok')
  const otherwise = checks.isOk('thp.enabled') ? 'transparent huge pages' : 'base pages'
  const answer = otherwise === 'base pages' ? no : partly
  if (pools.length === 0) return answer(`this kernel has no hugetlb pages; regions get ${otherwise}`, undefined)
  if (usable.length === 0) {
    const mend = pools.find(({ status }) => status === 'warn')?.mend
    const why = mend === undefined ? ', and too little memory to make some' : ''
    return answer(`no hugetlb page is free${why}; regions get ${otherwise}`, mend)
  }
  const sizes = usable.map(({ id }) => poolPattern.exec(id)?.[1] ?? '')
  const limits = ['limits.cgroup.memory', ...sizes.map((size) => `limits.cgroup.hugetlb.${size}`)]
  const tight = limits.map((id) => checks.get(id)).find((found) => found?.status === 'warn')
  if (tight !== undefined) return partly(`the cgroup allows little more: ${tight.seen}`, tight.mend)
  return yes(usable.map(({ seen }, at) => `${sizes[at]}: ${seen}`).join('; '))
}

function physicalAddresses(checks: Checks): Omit<Purpose, 'purpose'> {
  const frames = checks.get('privileges.pfn')
  if (frames?.status !== 'ok') return no(frames?.seen ?? 'page frame numbers could not be read', frames?.mend)
  const isVirtual = !checks.isOk('machine.virtual')
  const whose = isVirtual ? "visible; in this virtual machine they are the guest's, not the host's" : 'visible'
  const flags = checks.get('privileges.page-flags')
  if (flags !== undefined && flags.status !== 'ok') return partly(`${whose}; but ${flags.seen}`, flags.mend)
  return yes(whose)
}

function rdma(checks: Checks): Omit<Purpose, 'purpose'> {
  const devices = checks.matching(/^rdma\.device\./)
  const library = checks.get('rdma.libibverbs')
  const modules = checks.get('rdma.modules')
  // Without its library, a device cannot be opened. This is worth no warning until there is a device.
  const lacksLibrary = library?.values?.path === null || library?.status === 'warn'
  if (devices.length === 0) {
    const canMake = modules?.values?.softRoce === true
    const steps = [...(lacksLibrary ? [library?.mend] : []), modules?.mend]
    const command = canMake && !steps.includes(undefined) ? steps.join(' && ') : undefined
    const soft = canMake ? 'Soft-RoCE can make one of a network interface' : 'this kernel has no Soft-RoCE to make one'
    return partly(`no RDMA device, only the loopback in each process; ${soft}`, command)
  }
  const ready = devices.filter(({ status }) => status === 'ok')
  const others = ['rdma.modules', 'rdma.nodes', 'rdma.memlock'].map((id) => checks.get(id))
  const trouble = [lacksLibrary ? library : undefined, ...others, ...devices].find(
    (found) => found !== undefined && (found === library || found.status === 'warn'),
  )
  const names = ready.map(({ id, seen }) => `${id.slice('rdma.device.'.length)}: ${seen}`).join('; ')
  if (trouble === undefined) return yes(names)
  const rest = ready.length === 0 ? 'only the loopback in each process works' : names
  const what = trouble.id.startsWith('rdma.device.') ? `${trouble.id.slice('rdma.device.'.length)}: ` : ''
  return partly(`${what}${trouble.seen}; ${rest}`, trouble.mend)
}

function lab(checks: Checks): Omit<Purpose, 'purpose'> {
  const found = checks.get('rdma.lab')
  if (found?.status !== 'ok') return no(found?.seen ?? 'not checked', found?.mend)
  const how = found.values?.kvm === true ? 'with KVM' : 'under emulation, since there is no /dev/kvm'
  return yes(`${found.seen}, ${how}`)
}

function numa(checks: Checks): Omit<Purpose, 'purpose'> {
  const machine = checks.get('machine.numa')
  const nodes = machine?.values?.nodes
  if (Array.isArray(nodes) && nodes.length < 2) return yes('one node, so there is nothing to place')
  const policy = checks.get('kernel.numa-policy')
  if (policy?.status !== 'ok') return no(policy?.seen ?? 'not checked')
  if (machine?.status !== 'ok') return partly(machine?.seen ?? 'not checked', machine?.mend)
  // A node without pages matters if other nodes have some. Otherwise no page is free at all.
  const bare = checks.matching(/^hugepages\.pool\.[^.]+\.node\d+$/).find(({ mend }) => mend !== undefined)
  const [, pageSize, node] = /\.([^.]+)\.node(\d+)$/.exec(bare?.id ?? '') ?? []
  if (bare !== undefined) return partly(`node ${node} has no free page of ${pageSize}, while others have`, bare.mend)
  return yes(machine.seen)
}

function otherUsers(checks: Checks): Omit<Purpose, 'purpose'> {
  const found = checks.get('privileges.other-users')
  if (found === undefined || found.status === 'unknown') {
    return { answer: 'unknown', reason: found?.seen ?? 'not checked', command: null }
  }
  if (found.status === 'ok') return yes('users without root can make regions and see their physical addresses')
  if (found.values?.frames === null) return no(found.seen)
  return partly('users without root can make regions, but physical addresses are hidden from them', found.mend)
}
