// The entry 'pinfold/testing': tools for the tests of programs that use pinfold. It only re-exports.

export {
  type ConnectedEnd,
  ConnectedPair,
  type ConnectedPairOptions,
  connectedPair,
  type PairQueueOptions,
} from './connected-pair.js'
