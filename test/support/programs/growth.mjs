const isQuiet = (bytes) => bytes >= 0 && bytes < 1024

// Measures by how many bytes V8's heap grows in `rounds` of a function. V8's own notes while it compiles count, too,
// and a collection in between makes the growth negative. So the function runs until V8 has compiled most of it, and is
// then measured at least four times, until a measurement was quiet. Garbage of the rounds would be in each measurement.
// Needs --expose-gc.
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
