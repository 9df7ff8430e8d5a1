import { AtomicUnit } from './atomics.js'
import { DeferredCopies } from './copies.js'
import type { Answer } from './responder.js'
import { Segments } from './segments.js'
import { LoadedSend } from './send-request.js'

/**
 * The objects with which a request is carried out. A device carries out one request at a time and keeps these objects,
 * so that a request allocates nothing.
 */
export class Scratch {
  readonly copies = new DeferredCopies()
  readonly send = new LoadedSend(this.copies)
  /** Memory of the peer. */
  readonly remote = new Segments(this.copies)
  /** Memory of the receive that a message is written into. */
  readonly receive = new Segments(this.copies)
  readonly atomics = new AtomicUnit(this.copies)
  readonly answer: Answer = { status: 0, vendorError: 0 }
  /** A queue pair that is connected to itself has failed. Its error state waits until the request has completed. */
  selfFailed = false

  /** Ends a batch: makes the copies that wait. Afterwards this object refers to no memory. */
  settle(): void {
    this.copies.makeAll()
    this.send.local.clear()
    this.remote.clear()
    this.receive.clear()
  }
}
