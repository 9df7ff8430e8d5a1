// By how many bytes V8's heap grows in so many rounds of a function, without a collection in between: four times, since what
// V8 notes for itself now and then counts, too. First until V8 has compiled all of it. Needs --expose-gc.
export function growthOf(exchange, rounds) {
  for (let turn = 0; turn < 30; turn++) exchange(100_000)
  globalThis.gc()
  const growth = []
  while (growth.length < 4) {
    const before = process.memoryUsage().heapUsed
    exchange(rounds)
    growth.push(process.memoryUsage().heapUsed - before)
  }
  return growth
}
