import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = fileURLToPath(new URL("..", import.meta.url))

export default defineConfig({
  root,
  resolve: {
    alias: [
      { find: /^effect-imodel$/, replacement: `${root}src/index.ts` },
      { find: /^effect-imodel\/testing$/, replacement: `${root}src/testing.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "scratchpad/guide/*.test.ts"],
    typecheck: {
      enabled: true,
      include: ["test/**/*.test-d.ts"],
      // The path, since the packages of both versions of TypeScript have a command of this name.
      checker: "node_modules/typescript/bin/tsc",
      tsconfig: "./tsconfig.json"
    },
    // Many of them wait for processes and sockets.
    maxWorkers: 4,
    // Each worker imports the library once, which is a third of the time of all. No test leaves anything behind in a module.
    isolate: false,
    testTimeout: 60_000
  }
})
