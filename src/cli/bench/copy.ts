import type { Region } from '../../registry/region.js'
import { GiB, KiB, MiB } from '../../sizes.js'
import type { Benchmark } from './benchmark.js'
import { type Probe, secondsOf } from './sampling.js'

/**
 * The distance from the source to the target is a multiple of this, and the same for all kinds of pages. The distance
 * decides whether the two compete for places in the caches: copies of 1 KiB were half as fast at a distance of 512 MiB
 * (half a page of 1 GiB) as at 2 MiB.
 */
const step = 2 * MiB

/** Bandwidth of `TypedArray.prototype.set`, from one part of a region into another, the same bytes each time. */
export const copy: Benchmark = {
  name: 'copy',
  about: 'TypedArray.set from one part of a region into another, the same bytes each time',
  varied: 'copy size',
  variedIn: 'bytes',
  measured: 'bandwidth, bytes copied',
  unit: 'GiB/s',
  sizes: [64, 256, KiB, 4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB, 4 * MiB, 16 * MiB, 64 * MiB],
  quickSizes: [64, 4 * KiB, 256 * KiB, 4 * MiB],
  accepts: { text: 'sizes of 1B to 2GiB', accepts: (size) => size <= 2 * GiB },
  regionSize: (largest) => 2 * distance(largest),
  prepare: (size) => (region) => new Copy(region, size),
  figure: (seconds, size) => size / seconds / GiB,
}

class Copy implements Probe {
  readonly #source: Uint8Array
  readonly #target: Uint8Array

  constructor(region: Region, size: number) {
    this.#source = region.view(0, size).fill(0x5a)
    this.#target = region.view(distance(size), size)
  }

  warmUp(): void {
    copyOver(this.#source, this.#target, 1)
  }

  run(rounds: number): number {
    return secondsOf(() => copyOver(this.#source, this.#target, rounds))
  }
}

/** The distance from the source to the target of a copy, in bytes. */
function distance(size: number): number {
  return Math.ceil(size / step) * step
}

function copyOver(source: Uint8Array, target: Uint8Array, rounds: number): void {
  for (let round = 0; round < rounds; round++) target.set(source)
}
