/** What a null registration is read from, in parts; what is written there is dropped. */
export const nothing = new Uint8Array(64 * 1024)

/** Below this a loop is faster than a call of the runtime with a view made for it. */
const fewBytes = 32
/** From here on a move costs more by what it drives out of the cache than by being kept for later. */
const muchBytes = 4096

/** Views of the same memory are the same object here (registered-memory.ts), so that overlap is seen. */
export function move(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (target === nothing) return
  if (length < fewBytes && (source !== target || to + length <= from || from + length <= to)) {
    for (let index = 0; index < length; index++) target[to + index] = source[from + index] ?? 0
  } else if (source === target) {
    target.copyWithin(to, from, from + length)
  } else {
    target.set(source.subarray(from, from + length), to)
  }
}

/**
 * Moves of a batch that wait for its end, in order: whoever moves bytes, and whoever ends a batch, makes them first. A
 * large copy empties the processor's first cache; so all requests are looked at before the first of them.
 */
const most = 64
const sources: Uint8Array[] = new Array<Uint8Array>(most).fill(nothing)
const targets: Uint8Array[] = new Array<Uint8Array>(most).fill(nothing)
const numbers = new Float64Array(3 * most)
let waiting = 0

/** A move in its turn: a large one waits. Nothing may be done with the bytes before `makeMoves`. */
export function moveInTurn(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (length < muchBytes) {
    makeMoves()
    move(source, from, target, to, length)
  } else {
    moveLater(source, from, target, to, length)
  }
}

function moveLater(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (waiting === most) makeMoves()
  sources[waiting] = source
  targets[waiting] = target
  numbers[3 * waiting] = from
  numbers[3 * waiting + 1] = to
  numbers[3 * waiting + 2] = length
  waiting += 1
}

/** Makes the moves that wait; nothing refers to their memory afterwards. */
export function makeMoves(): void {
  if (waiting === 0) return
  const count = waiting
  waiting = 0
  for (let index = 0; index < count; index++) {
    const source = sources[index] ?? nothing
    const target = targets[index] ?? nothing
    move(source, numbers[3 * index] ?? 0, target, numbers[3 * index + 1] ?? 0, numbers[3 * index + 2] ?? 0)
    sources[index] = nothing
    targets[index] = nothing
  }
}
