import { describe, expectTypeOf, it } from "@effect/vitest"
import { type Cause, Context, Effect, type Layer, Schema } from "effect"
import type { HttpClient } from "effect/http"
import type { Persistence, RateLimiter } from "effect/persistence"
import { Calling, Hook, iModel, OpenAi, type ServiceBackend } from "effect-imodel"

class Database extends Context.Service<Database, { readonly allowed: number }>()("test/Database") {}
class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}

type Made = Cause.IllegalArgumentError | RateLimiter.RateLimiterError

describe("a hook's requirements and errors", () => {
  const needing = Hook.make({ preInvocation: () => Database, postInvocation: () => HttpNeed })
  const failing = Hook.unwrap(Effect.as(Effect.fail(new Broken()), Hook.identity))
  class HttpNeed extends Context.Service<HttpNeed, number>()("test/HttpNeed") {}

  it("are those of the layer", () => {
    expectTypeOf(needing).toEqualTypeOf<Hook.Hook<Cause.IllegalArgumentError, Database | HttpNeed>>()
    expectTypeOf(iModel.layer({ hooks: [needing, Hook.logging(), failing] })).toEqualTypeOf<
      Layer.Layer<iModel.iModel, Made | Broken, ServiceBackend.ServiceBackend | Database | HttpNeed>
    >()
    expectTypeOf(iModel.layer({ hooks: [Hook.all([needing, failing]), Hook.cache({ timeToLive: 1 })] })).toEqualTypeOf<
      Layer.Layer<
        iModel.iModel,
        Made | Broken,
        ServiceBackend.ServiceBackend | Database | HttpNeed | Persistence.Persistence
      >
    >()
  })

  it("are those of the class of a model", () => {
    class Gpt extends iModel.Service<Gpt>()("test/Gpt", {
      backend: OpenAi.makeChat({ model: "m" }),
      hooks: [needing]
    }) {}
    expectTypeOf<Layer.Services<typeof Gpt.layer>>().toEqualTypeOf<HttpClient.HttpClient | Database | HttpNeed>()
    expectTypeOf<Gpt["Service"]>().toEqualTypeOf<iModel.Model<OpenAi.ChatRequest, OpenAi.ChatCompletion>>()
  })
})

describe("a hook's own answers", () => {
  const sorry = Hook.make({ onError: () => Effect.succeed(Calling.makeResponse({ data: "sorry" })) })

  it("are in the type of the model's data", () => {
    expectTypeOf<Hook.Data<typeof sorry>>().toEqualTypeOf<string>()
    class Gpt extends iModel.Service<Gpt>()("test/Gpt", {
      backend: OpenAi.makeChat({ model: "m" }),
      hooks: [sorry, Hook.logging()]
    }) {}
    expectTypeOf<Gpt["Service"]>().toEqualTypeOf<iModel.Model<OpenAi.ChatRequest, OpenAi.ChatCompletion | string>>()
  })

  it("are the provider's, when they are stored by its schema", () => {
    class Gpt extends iModel.Service<Gpt>()("test/Gpt", {
      backend: OpenAi.makeChat({ model: "m" }),
      hooks: [Hook.cache({ timeToLive: "1 hour", data: OpenAi.ChatCompletion })]
    }) {}
    expectTypeOf<Gpt["Service"]>().toEqualTypeOf<iModel.Model<OpenAi.ChatRequest, OpenAi.ChatCompletion>>()
  })

  it("are stated by middleware", () => {
    Hook.middleware<never, never, string>(() => () => Effect.succeed(Calling.makeResponse({ data: "" })))
    // @ts-expect-error data that no model has to have
    Hook.middleware(() => () => Effect.succeed(Calling.makeResponse({ data: "" })))
    expectTypeOf(Hook.middleware((next) => () => next)).toEqualTypeOf<Hook.Hook>()
  })
})
