import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = fileURLToPath(new URL("..", import.meta.url))

export default defineConfig({
  root,
  resolve: {
    alias: [
      { find: /^effect-imodel$/, replacement: `${root}src/index.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "scratchpad/guide/*.test.ts"],
    typecheck: {
      enabled: true,
      include: ["test/**/*.test-d.ts"],
      tsconfig: "./tsconfig.json"
    },
    // Many of them wait for processes and sockets.
    maxWorkers: 4,
    testTimeout: 60_000
  }
})
