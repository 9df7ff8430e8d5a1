import { describe, expect, test } from 'vitest'
import type { QueuePairChange } from '../../../src/rdma/contract/device-calls.js'
import { queuePairStates, queuePairTypes } from '../../../src/rdma/contract/states.js'
import { whyNotChange } from '../../../src/rdma/loopback/state-table.js'

// The rules of Linux for every device (ib_modify_qp_is_ok in drivers/infiniband/core/verbs.c), written a second time.
// Each line is a change of state, the attributes that it needs, and those that it also allows, by the letters of
// `letters`.

const letters: Readonly<Record<string, keyof QueuePairChange>> = {
  c: 'currentState',
  n: 'drainNotify',
  a: 'access',
  k: 'partitionKeyIndex',
  p: 'port',
  q: 'queueKey',
  v: 'path',
  m: 'mtu',
  t: 'timeout',
  y: 'retryCount',
  r: 'rnrRetry',
  i: 'receivePsn',
  o: 'sendPsn',
  s: 'maxReadsStarted',
  d: 'maxReadsServed',
  w: 'minRnrTimer',
  u: 'remoteQueuePair',
}

const table: Readonly<Record<'RC' | 'UC' | 'UD', string>> = {
  RC: `
    RESET INIT kpa -
    INIT INIT - kpa
    INIT RTR vmuidw ak
    RTR RTS tyros caw
    RTS RTS - caw
    RTS SQD - n
    SQD RTS - caw
    SQD SQD - pvtyrsdakw
    SQE RTS - -`,
  UC: `
    RESET INIT kpa -
    INIT INIT - kpa
    INIT RTR vmui ak
    RTR RTS o ca
    RTS RTS - ca
    RTS SQD - n
    SQD RTS - ca
    SQD SQD - vak
    SQE RTS - ca`,
  UD: `
    RESET INIT kpq -
    INIT INIT - kpq
    INIT RTR - kq
    RTR RTS o cq
    RTS RTS - cq
    RTS SQD - n
    SQD RTS - cq
    SQD SQD - kq
    SQE RTS - cq`,
}

const states = queuePairStates.all.filter((state) => state !== 'UNKNOWN')
const everyway = ['RESET', 'ERR']

function expected(type: 'RC' | 'UC' | 'UD', from: string, to: string): { needs: string; allows: string } | undefined {
  for (const line of table[type].trim().split('\n')) {
    const [start, end, needs = '', allows = ''] = line.trim().split(' ')
    if (start === from && end === to) return { needs: needs.replace('-', ''), allows: allows.replace('-', '') }
  }
  return everyway.includes(to) && `${from} ${to}` !== 'RESET ERR' ? { needs: '', allows: '' } : undefined
}

/** A change with the attributes of these letters. Their values do not matter here. */
function changeTo(to: string, attributes: string): QueuePairChange {
  const state = queuePairStates.all.find((known) => known === to) ?? 'UNKNOWN'
  const named = [...attributes].map((letter) => [letters[letter], 1])
  return { ...Object.fromEntries(named), state: queuePairStates.byName[state] }
}

describe.each(['RC', 'UC', 'UD'] as const)('a queue pair of type %s', (type) => {
  const ways = states.flatMap((from) => states.map((to) => [from, to] as const))
  const isTaken = (from: (typeof states)[number], to: string, attributes: string) =>
    whyNotChange(queuePairTypes.byName[type], queuePairStates.byName[from], changeTo(to, attributes)) === undefined

  test('goes from each state to the states that Linux allows, and to no other', () => {
    for (const [from, to] of ways) {
      const needs = expected(type, from, to)?.needs
      expect([from, to, isTaken(from, to, needs ?? '')]).toEqual([from, to, needs !== undefined])
    }
  })

  test('does not change its state if a needed attribute is missing', () => {
    for (const [from, to] of ways) {
      const { needs = '' } = expected(type, from, to) ?? {}
      for (const letter of needs)
        expect([from, to, letter, isTaken(from, to, needs.replace(letter, ''))]).toContain(false)
    }
  })

  test('takes the allowed attributes, each alone and all together, and no others', () => {
    for (const [from, to] of ways) {
      const way = expected(type, from, to)
      if (way === undefined) continue
      const { needs, allows } = way
      expect([from, to, isTaken(from, to, needs + allows)]).toEqual([from, to, true])
      for (const letter of Object.keys(letters)) {
        if (needs.includes(letter)) continue
        expect([from, to, letter, isTaken(from, to, needs + letter)]).toEqual([
          from,
          to,
          letter,
          allows.includes(letter),
        ])
      }
    }
  })

  test('stays in its state if the change names no state', () => {
    for (const from of states) {
      const number = queuePairStates.byName[from]
      const isKnown = expected(type, from, from) !== undefined
      expect([from, whyNotChange(queuePairTypes.byName[type], number, {}) === undefined]).toEqual([from, isKnown])
    }
  })
})
