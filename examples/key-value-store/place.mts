// Where the server is, and who the two sides are.
import { hostname } from 'node:os'
import type { IdentityOptions } from 'pinfold'

export const port = 18600
/** A server that was started again has another table: a client tells it from the old one by its generation. */
const generation = BigInt(Date.now())

export const serverIdentity: IdentityOptions = { name: 'key-value-store', generation }
export const clientIdentity: IdentityOptions = {
  name: `${hostname().slice(0, 12)}-${process.pid}`, // each client has a name of its own
  generation,
  peer: serverIdentity.name,
}
