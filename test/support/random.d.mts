export function randomNumbers(seed: number): (below: number) => number
