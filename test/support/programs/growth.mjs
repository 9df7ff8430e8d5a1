const isQuiet = (bytes) => bytes >= 0 && bytes < 1024

// By how many bytes V8's heap grows in so many rounds of a function: four times and more, until one was quiet, since what
// V8 notes for itself while it compiles counts, too, and a collection in between makes it less than nothing. Garbage of the
// rounds would be in each of them. First until V8 has compiled most of it. Needs --expose-gc.
export function growthOf(exchange, rounds) {
  for (let turn = 0; turn < 30; turn++) exchange(100_000)
  globalThis.gc()
  const growth = []
  while (growth.length < 4 || (growth.length < 16 && !growth.some(isQuiet))) {
    const before = process.memoryUsage().heapUsed
    exchange(rounds)
    growth.push(process.memoryUsage().heapUsed - before)
  }
  return growth
}
