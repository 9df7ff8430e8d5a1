// The entry of this module: the files of other modules import from here alone.

export {
  type HugepagePool,
  ownPages,
  poolDirectory,
  readPool,
  readPools,
  readShares,
  writeKernelFile,
} from './counters.js'
export { checkGrowth, mostGrowth } from './growth.js'
export { borrowHugepages, type HugepageLoan } from './loan.js'
export { type OpenLoan, openLoans, type RepairedLoan, repairLoans, withPoolLock } from './open-loans.js'
export type { OwnerLife } from './owner.js'
export { type PoolChange, resizePool } from './pools.js'
export type { PoolRequest } from './request.js'
