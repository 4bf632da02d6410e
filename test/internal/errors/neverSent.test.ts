/** Failures of requests that never left the process are known for it, after a way through JSON too. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { AiError } from "effect/ai"
import { FetchHttpClient } from "effect/http"
import { type Calling, Errors, SettledCalling } from "effect-imodel"
import { neverSent, wasNeverSent } from "../../../src/internal/errors/neverSent.ts"
import { chatWires } from "../../support/chatWires.ts"
import { serve } from "../../support/server.ts"

const throughJson = Schema.fromJsonString(SettledCalling.SettledCalling)

const reasonThroughJson = Effect.fnUntraced(function*(calling: Calling.Calling<unknown>) {
  const read = yield* Schema.decodeEffect(throughJson)(yield* Schema.encodeEffect(throughJson)(calling))
  return (yield* Effect.flip(read.response)).reason
})

/** The result of a tool that is no JSON. */
const unsendable = [{
  role: "tool" as const,
  content: [{ type: "tool-result" as const, id: "1", name: "count", isFailure: false, result: 1n }]
}]

for (const { make, name } of chatWires) {
  describe(`a request that was never sent, by ${name}`, () => {
    for (const [client, layer] of [["fetch", FetchHttpClient.layer], ["undici", NodeHttpClient.layerUndici]] as const) {
      it.effect(`is one whose connection was refused (${client})`, () =>
        Effect.gen(function*() {
          const server = yield* serve({ body: "" }).pipe(Effect.scoped)
          const model = yield* make(server.url)
          const calling = yield* model.invoke({ prompt: "hi" })
          const { reason } = yield* Effect.flip(calling.response)
          assert.strictEqual(reason._tag, "NetworkError")
          assert.isTrue(wasNeverSent(reason))
          assert.isTrue(wasNeverSent(yield* reasonThroughJson(calling)))
        }).pipe(Effect.provide(layer)))
    }

    it.effect("is one whose arguments are no JSON", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: {} })
        const model = yield* make(server.url)
        const calling = yield* model.invokeUnknown({ prompt: unsendable })
        const { reason } = yield* Effect.flip(calling.response)
        assert.strictEqual(reason._tag, "InvalidRequestError")
        assert.isTrue(wasNeverSent(reason))
        assert.lengthOf(yield* server.seen, 0)
      }).pipe(Effect.provide(FetchHttpClient.layer)))

    it.effect("is not one that the provider refused", () =>
      Effect.gen(function*() {
        const server = yield* serve({ status: 400, body: { error: { message: "no" } } })
        const calling = yield* (yield* make(server.url)).invoke({ prompt: "hi" })
        assert.isFalse(wasNeverSent((yield* Effect.flip(calling.response)).reason))
      }).pipe(Effect.provide(FetchHttpClient.layer)))
  })
}

describe("the mark of a request that was never sent", () => {
  const codec = Schema.toCodecJson(Errors.BackendErrorReason)
  const cases: ReadonlyArray<readonly [Errors.BackendErrorReason, boolean]> = [
    [neverSent(new AiError.InvalidRequestError({ description: "no JSON", metadata: { own: { kept: 1 } } })), true],
    [new AiError.InvalidRequestError({ description: "refused" }), false],
    [new Errors.Unsupported({ provider: "p", feature: "f" }), true],
    [new Errors.CircuitOpen({ circuit: "c" }), true],
    [new Errors.ProcessFailure({ description: "not installed" }), true],
    [new Errors.ProcessFailure({ description: "killed", signal: "SIGKILL" }), false],
    [new AiError.NetworkError({ reason: "InvalidUrlError", method: "POST", url: "x" }), true],
    [new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "x" }), false],
    [new AiError.UnknownError({}), false]
  ]
  it.effect.each(cases)("survives JSON: %#", ([reason, expected]) =>
    Effect.gen(function*() {
      const read = yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(reason))
      assert.deepStrictEqual([wasNeverSent(reason), wasNeverSent(read)], [expected, expected])
      if (read._tag === "InvalidRequestError" && expected) assert.deepInclude(read.metadata, { own: { kept: 1 } })
    }))
})
