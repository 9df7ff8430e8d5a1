// The numbers that a driver and its controller agree on, and a controller that is emulated by a worker. It gets only what
// a real one gets: registers, and physical addresses.
// Layouts and numbers: NVM Express Base Specification 2.2, 3.3.3 (entries of queues), 4.3.1 (PRP lists).
import { attachRegion, type RegionHandle } from 'pinfold'

export const block = 512
export const page = 4096 // the memory page size that the controller is set to (CC.MPS)
export const entries = 64 // of the submission queue, of 64 bytes each, and of the completion queue, of 16 bytes each
export const registers = { submissionTail: 0, submissionQueue: 1, completionQueue: 2 } // 64-bit words; the first is a doorbell
export const opcodes = { write: 1, read: 2 }
export const statuses: Readonly<Record<number, string>> = {
  1: 'the controller does not know this opcode',
  4: 'the controller reaches no memory at a physical address',
  128: 'the blocks lie beyond the end of the namespace',
}
const namespaceBytes = 2 ** 24

/** The phase tag of a completion: it changes with each round through the queue, and so tells which entries are new. */
export const phaseOf = (completed: number) => 1 - (Math.floor(completed / entries) % 2)
export const words32 = ({ buffer, byteOffset, length }: Uint8Array) => new Uint32Array(buffer, byteOffset, length / 4)
export const words64 = ({ buffer, byteOffset, length }: Uint8Array) =>
  new BigUint64Array(buffer, byteOffset, length / 8)

export interface Setup {
  readonly handle: RegionHandle
  readonly registerMemory: SharedArrayBuffer
}

/** The emulated controller: it waits for the doorbell, carries out the commands, and writes their completions. */
export function runController({ handle, registerMemory }: Setup): never {
  const region = attachRegion(handle)
  const registerWords = new BigInt64Array(registerMemory)
  const namespace = new Uint8Array(namespaceBytes)
  let bus = region.translate()

  /** The bytes at a physical address. A real controller puts the address on the bus. */
  const memory = (address: bigint, length: number) => region.view(bus.offsetOf(Number(address)), length)

  /** The pieces of memory that PRP1 and PRP2 describe. */
  function* pieces(prp1: bigint, prp2: bigint, bytes: number): Generator<Uint8Array> {
    const first = Math.min(bytes, page - Number(prp1 % BigInt(page)))
    yield memory(prp1, first)
    let left = bytes - first
    const toEndOfPage = (address: bigint) => words64(memory(address, page - Number(address % BigInt(page))))
    let list = left > page ? toEndOfPage(prp2) : BigUint64Array.of(prp2)
    for (let next = 0; left > 0; left -= page) {
      if (next === list.length - 1 && left > page) {
        list = toEndOfPage(list[next] ?? 0n) // the last word of a full page points to the next page of the list
        next = 0
      }
      yield memory(list[next++] ?? 0n, Math.min(left, page))
    }
  }

  /** Returns the status of a command: 0 if it has succeeded. */
  function execute(command: Uint32Array): number {
    const [opcode, firstBlock, blocks] = [(command[0] ?? 0) & 0xff, command[10] ?? 0, (command[12] ?? 0) + 1]
    const [, , , prp1 = 0n, prp2 = 0n] = words64(new Uint8Array(command.buffer, command.byteOffset, 64))
    if (opcode !== opcodes.write && opcode !== opcodes.read) return 0x01
    if ((firstBlock + blocks) * block > namespace.length) return 0x80
    let stored = namespace.subarray(firstBlock * block)
    try {
      for (const piece of pieces(prp1, prp2, blocks * block)) {
        if (opcode === opcodes.write) stored.set(piece)
        else piece.set(stored.subarray(0, piece.length))
        stored = stored.subarray(piece.length)
      }
      return 0
    } catch {
      return 0x04 // `offsetOf` knows no such address: it is the bus that refuses it
    }
  }

  const register = (number: number) => Atomics.load(registerWords, number)
  for (let head = 0, completed = 0; ; ) {
    Atomics.wait(registerWords, registers.submissionTail, BigInt(head)) // until the doorbell has another value
    if (register(registers.submissionTail) === BigInt(head)) continue
    bus = region.translate() // a bus is never out of date
    const command = words32(memory(register(registers.submissionQueue) + BigInt(head * 64), 64))
    const status = execute(command)
    head = (head + 1) % entries
    const at = BigInt((completed % entries) * 16)
    const completion = words32(memory(register(registers.completionQueue) + at, 16))
    completion[2] = head
    const word = (status << 17) | (phaseOf(completed) << 16) | ((command[0] ?? 0) >>> 16)
    Atomics.store(completion, 3, word >>> 0) // last, since the driver looks at the phase tag in it
    completed += 1
  }
}
