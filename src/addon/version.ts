/**
 * The version of this library, as in package.json (a unit test compares them). It is a constant, since a bundle of a
 * program has no package.json of pinfold beside it. The addon contains the version that it was built for.
 */
export const version = '0.1.0'
