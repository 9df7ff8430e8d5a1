import {
  attachRegion,
  type Hold,
  openRegistrySync,
  PinfoldError,
  type Region,
  type RegionHandle,
} from '../../../src/index.js'

/** An act of one thread on its regions. The model gives each region a number. */
export type Act =
  | {
      do: 'allocate'
      region: number
      name: string
      options: { size: number; pages: string; backing: string }
      wait: boolean
    }
  | { do: 'attach'; region: number; handle: RegionHandle }
  | { do: 'fill'; region: number; offset: number; length: number; byte: number }
  | { do: 'read'; region: number; offset: number; length: number; through: 'view' | 'bytes' | 'slice' }
  | { do: 'hold'; region: number; hold: number }
  | { do: 'release'; hold: number }
  | { do: 'translate'; region: number }
  | { do: 'close'; region: number; wait: boolean }

/** The outcome of an act: plain data, or the code of the error. */
export interface Outcome {
  readonly code?: string
  readonly handle?: RegionHandle
  readonly bytes?: Uint8Array
  /** For a close: the lengths of all views of the region that the thread has made. */
  readonly lengths?: readonly number[]
}

/**
 * The regions of one thread. It carries out acts, and returns their outcomes. Each thread of a child process owns one.
 */
export class Actor {
  readonly #memory = openRegistrySync({ leaks: 'off' })
  readonly #regions = new Map<number, Region>()
  readonly #views = new Map<number, Uint8Array[]>()
  readonly #holds = new Map<number, Hold>()

  async act(act: Act): Promise<Outcome> {
    try {
      return await this.#act(act)
    } catch (error) {
      if (error instanceof PinfoldError) return { code: error.code }
      throw error
    }
  }

  /** Releases all holds and regions, as a thread's death does. */
  end(): void {
    for (const hold of this.#holds.values()) hold.release()
    for (const region of this.#regions.values()) region.close()
    this.#memory.close()
  }

  async #act(act: Act): Promise<Outcome> {
    switch (act.do) {
      case 'allocate': {
        const { pages, size, backing } = act.options
        const options = { pages, size, backing: backing === 'anonymous' ? 'anonymous' : 'memfd' } as const
        const made = act.wait
          ? this.#memory.allocateSync(act.name, options)
          : await this.#memory.allocate(act.name, options)
        return this.#keep(act.region, made)
      }
      case 'attach':
        return this.#keep(act.region, attachRegion(act.handle))
      case 'fill':
        this.#viewed(act.region, this.#region(act.region).view(act.offset, act.length)).fill(act.byte)
        return {}
      case 'read':
        return { bytes: Uint8Array.from(this.#seen(act)) }
      case 'hold':
        this.#holds.set(act.hold, this.#region(act.region).hold(`hold ${act.hold}`))
        return {}
      case 'release':
        this.#holds.get(act.hold)?.release()
        this.#holds.delete(act.hold)
        return {}
      case 'translate':
        return this.#translate(this.#region(act.region))
      case 'close': {
        const region = this.#region(act.region)
        const closed = act.wait ? region.closeAsync() : region.close()
        const lengths = (this.#views.get(act.region) ?? []).map(({ length }) => length)
        await closed
        return { lengths }
      }
    }
  }

  #keep(number: number, region: Region): Outcome {
    this.#regions.set(number, region)
    this.#views.set(number, [])
    return { handle: region.handle }
  }

  #region(number: number): Region {
    const region = this.#regions.get(number)
    if (region === undefined) throw new Error(`this thread has no region ${number}`)
    return region
  }

  #viewed(number: number, view: Uint8Array): Uint8Array {
    this.#views.get(number)?.push(view)
    return view
  }

  #seen({ region: number, offset, length, through }: Act & { do: 'read' }): Uint8Array {
    const region = this.#region(number)
    if (through === 'view') return this.#viewed(number, region.view(offset, length))
    if (through === 'bytes') return this.#viewed(number, region.bytes).subarray(offset, offset + length)
    return this.#viewed(number, region.slice(offset, region.size - offset).slice(0, length).bytes)
  }

  #translate(region: Region): Outcome {
    const translation = region.translate()
    const { absent, swapped, hidden } = translation.states
    if (absent + swapped > 0) throw new Error(`${absent} pages of ${region.name} are absent, ${swapped} swapped`)
    if (hidden > 0) return {}
    const last = region.size - 1
    // This compares the snapshot with itself, since the kernel may have moved pages.
    if (translation.offsetOf(translation.physicalAt(last)) !== last) throw new Error(`${region.name} is not told apart`)
    if (translation.runs().reduce((sum, { length }) => sum + length, 0) !== region.size)
      throw new Error('runs have gaps')
    return {}
  }
}
