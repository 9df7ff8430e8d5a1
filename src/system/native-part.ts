/** The file of pinfold's native part. */
export { addonPath } from '../native.js'
