import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { iModel, ServiceBackend } from "effect-imodel"

const Colour = Schema.Struct({ name: Schema.String, hex: Schema.optional(Schema.String) })

const answering = (text: string) =>
  iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock(() => Effect.succeed(text))))

describe("an answer in the form of a schema", () => {
  it.effect("is decoded, and typed", () =>
    Effect.gen(function*() {
      const response = yield* iModel.respondAs(Colour, { prompt: "Name a colour." })
      expectTypeOf(response.value).toEqualTypeOf<typeof Colour.Type>()
      assert.deepStrictEqual(response.value, { name: "blue" })
    }).pipe(Effect.provide(answering(`{"name":"blue"}`))))

  it.effect("that is none fails, and names what is wrong", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(iModel.respondAs(Colour, { prompt: "Name a colour." }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidOutputError")
      assert.match(error.message, /name/)
    }).pipe(Effect.provide(answering(`{"nome":"blue"}`))))
})
