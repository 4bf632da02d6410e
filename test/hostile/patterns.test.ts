/** Long foreign texts that took minutes: those of models, of providers and of programs. */
import { assert, describe, it } from "@effect/vitest"
import { jsonPieces } from "../../src/internal/chat/jsonPieces.ts"
import { reasonOf } from "../../src/internal/claudeCode/reason.ts"

describe("long foreign texts", () => {
  it("of a model, with strings of JSON that do not end", () => {
    assert.deepStrictEqual(jsonPieces(`{"a": "${"\\\"".repeat(500_000)}`), [])
    assert.deepStrictEqual(jsonPieces(`{${"\"\n".repeat(200_000)}}`).length, 1)
    assert.deepStrictEqual(jsonPieces("[".repeat(500_000)), [])
    assert.deepStrictEqual(jsonPieces(`Here: {"a}": ["\\"]", 1]} and [2]`), [`{"a}": ["\\"]", 1]}`, "[2]"])
  })

  it("of Claude Code, in an error message", () => {
    const result = {
      type: "result" as const,
      subtype: "error_during_execution",
      is_error: true,
      result: "hit your ".repeat(200_000),
      session_id: "s",
      num_turns: 1,
      duration_ms: 1,
      duration_api_ms: 1
    }
    const reason = reasonOf(result, undefined, (text) => text)
    assert.strictEqual(reason._tag, "UnknownError")
    assert.isAtMost(reason.message.length, 3_000)
  })
})
