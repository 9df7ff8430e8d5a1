import { readFileSync } from 'node:fs'
import { afterEach, expect, test, vi } from 'vitest'
import { mostParticipants, participantAt } from '../../src/pool/ring-layout.js'
import { isLineAlive, Participant } from '../../src/pool/ring-participants.js'

afterEach(() => {
  vi.restoreAllMocks()
})

const word = { thread: 0, startLow: 2, startHigh: 3, namespace: 4 } as const

/** The line of a thread as it writes it itself: here that of the process that has started this one. */
function writeParent(words: Int32Array, line: number, namespace: number): void {
  const stat = readFileSync(`/proc/${process.ppid}/stat`, 'latin1')
  const start = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) + 1
  words[participantAt(line) + word.thread] = process.ppid
  words[participantAt(line) + word.startLow] = start | 0
  words[participantAt(line) + word.startHigh] = Math.floor(start / 2 ** 32)
  words[participantAt(line) + word.namespace] = namespace
}

function emptyWords(): Int32Array {
  return new Int32Array(participantAt(mostParticipants))
}

/** What this thread writes as the inode of its pid namespace. */
function ownNamespace(): number {
  const words = emptyWords()
  const { line } = Participant.join(words)
  return words[participantAt(line) + word.namespace] ?? 0
}

test('a thread that comes too late for a dead one’s line leaves it to who has taken it', () => {
  const namespace = ownNamespace()
  const words = emptyWords()
  for (let line = 0; line < mostParticipants; line++) writeParent(words, line, namespace)
  const disputed = 5
  const at = participantAt(disputed)
  words[at + word.thread] = 2 ** 30 // more than the kernel gives out
  words[at + word.startLow] = 7
  const kill = process.kill.bind(process)
  vi.spyOn(process, 'kill').mockImplementation((...all: Parameters<typeof process.kill>) => {
    // Another is quicker, when this one has all but seen that the line is a dead thread's.
    writeParent(words, disputed, namespace)
    return kill(...all)
  })
  expect(() => Participant.join(words)).toThrow(expect.objectContaining({ code: 'ERR_RING_CLAIMED' }))
  vi.restoreAllMocks()
  const expected = emptyWords()
  writeParent(expected, disputed, namespace)
  expect(words.subarray(at, at + 16)).toEqual(expected.subarray(at, at + 16))
  expect(isLineAlive(words, disputed)).toBe(true)
})
