import { defineConfig } from 'vitest/config'

export default defineConfig({
  oxc: { target: 'es2022' }, // Node 20 and 22 have no `using`: let vitest lower it
})
