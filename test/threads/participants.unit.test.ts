import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { doubtAbout, isAlive, mostParticipants, Participant, participantAt } from '../../src/threads/participants.js'

afterEach(() => {
  vi.restoreAllMocks()
})

const word = { thread: 0, startLow: 2, startHigh: 3, pidNamespace: 4, timeNamespace: 8, boot: 9 } as const
const numberMask = 2 ** 22 - 1

/** Writes the line of the parent process, as its thread would write it. */
function writeParent(words: Int32Array, line: number, own: Int32Array): void {
  const stat = readFileSync(`/proc/${process.ppid}/stat`, 'latin1')
  const start = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) + 1
  const at = participantAt(line)
  words.set(own, at)
  words[at + word.thread] = ((own[word.thread] ?? 0) & ~numberMask) | process.ppid
  words[at + word.startLow] = start | 0
  words[at + word.startHigh] = Math.floor(start / 2 ** 32)
}

function emptyWords(): Int32Array {
  return new Int32Array(participantAt(mostParticipants))
}

/** The words that this thread writes into its line. */
function ownLine(): Int32Array {
  const words = emptyWords()
  const at = participantAt(Participant.join(words, 'ring').line)
  return words.slice(at, at + 16)
}

describe('a thread of the same number', () => {
  const start = Number(readFileSync('/proc/thread-self/stat', 'latin1').split(') ')[1]?.split(' ')[19]) + 1

  /** Changes some words of this thread's line. Returns whether the line counts as alive, and the reason for doubt. */
  function judged(change: Partial<Record<keyof typeof word, number>>): [boolean, unknown] {
    const words = emptyWords()
    const { line, ticket } = Participant.join(words, 'ring')
    for (const [name, value] of Object.entries(change)) {
      const place = Object.entries(word).find(([known]) => known === name)?.[1] ?? -1
      words[participantAt(line) + place] = value
    }
    return [isAlive(words, ticket), doubtAbout(words, ticket)?.values.because]
  }

  test.each<[string, Partial<Record<keyof typeof word, number>>, boolean, string | undefined]>([
    ['that started at the recorded time lives', {}, true, undefined],
    ['that started at another time is dead', { startLow: start + 1 }, false, undefined],
    ['of another time namespace counts as alive', { startLow: start + 1, timeNamespace: 7 }, true, 'time namespace'],
    ['that saw a false /proc counts as alive', { startLow: start + 1, timeNamespace: 0 }, true, '/proc'],
    ['of another pid namespace counts as alive', { startLow: start + 1, pidNamespace: 7 }, true, 'pid namespace'],
    ['of another boot counts as alive', { startLow: start + 1, boot: 7 }, true, 'boot'],
    [
      'of another pid namespace that has written only its number counts as alive',
      { thread: 5, startLow: 0, startHigh: 0 },
      true,
      'pid namespace',
    ],
  ])('%s', (_, change, lives, because) => {
    expect(judged(change)).toEqual([lives, because])
  })

  test('that has ended in the same pid namespace is dead, in any time namespace', () => {
    const own = ownLine()[word.thread] ?? 0
    const gone = (own & ~numberMask) | (2 ** 22 - 2) // no thread has this number
    expect(judged({ thread: gone, timeNamespace: 7 })).toEqual([false, undefined])
  })
})

test('a thread that is too late to take a dead thread’s line leaves the line to its new owner', () => {
  const own = ownLine()
  const words = emptyWords()
  for (let line = 0; line < mostParticipants; line++) writeParent(words, line, own)
  const disputed = 5
  const at = participantAt(disputed)
  words[at + word.thread] = ((own[word.thread] ?? 0) & ~numberMask) | (2 ** 22 - 2) // no thread has this number
  words[at + word.startLow] = 7
  const kill = process.kill.bind(process)
  vi.spyOn(process, 'kill').mockImplementation((...all: Parameters<typeof process.kill>) => {
    // Another thread takes the line just before this thread sees that its owner is dead.
    writeParent(words, disputed, own)
    return kill(...all)
  })
  const refused = {
    code: 'ERR_RING_CLAIMED',
    message: 'buffer pool: 64 threads share it already, and all of them live',
  }
  expect(() => Participant.join(words, 'buffer pool')).toThrow(expect.objectContaining(refused))
  vi.restoreAllMocks()
  const expected = emptyWords()
  writeParent(expected, disputed, own)
  expect(words.subarray(at, at + 16)).toEqual(expected.subarray(at, at + 16))
  expect(isAlive(words, ((words[at + word.thread + 1] ?? 0) << 7) | (disputed + 1))).toBe(true)
})
