// Validates an SBOM by CycloneDX's schema of the version that it names. The set-up has installed the packages of this
// folder (.ci/setup platforms).
//
//     node .ci/sbom/validate.mjs SBOM
import { readFileSync } from 'node:fs'
import { Validation } from '@cyclonedx/cyclonedx-library'

const [path] = process.argv.slice(2)
const text = readFileSync(path, 'utf8')
// The strict schema refuses names that the standard does not know, too.
const errors = await new Validation.JsonStrictValidator(JSON.parse(text).specVersion).validate(text)
if (errors === null) {
  console.log(`${path} is valid`)
} else {
  console.error(errors)
  process.exitCode = 1
}
