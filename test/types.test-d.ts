import { NodeRedis } from "@effect/platform-node"
import { describe, expectTypeOf, it } from "@effect/vitest"
import { type Cause, type Config, Context, Effect, type FileSystem, type Layer, Schema } from "effect"
import { Tool, Toolkit } from "effect/ai"
import type { HttpClient } from "effect/http"
import type { RateLimiter } from "effect/persistence"
import {
  type BackendError,
  type Calling,
  type Errors,
  iModel,
  LimitStore,
  OpenAi,
  type PermissionDenied,
  ServiceBackend,
  ServiceRegistry,
  type TimeoutError,
  ToolBackend
} from "effect-imodel"

describe("iModel", () => {
  it("invoke fails with exactly TimeoutError and PermissionDenied", () => {
    const invoke = iModel.invoke({ prompt: "hi" })
    expectTypeOf(invoke).toEqualTypeOf<Effect.Effect<Calling.Calling, TimeoutError | PermissionDenied, iModel.iModel>>()
    expectTypeOf<ReturnType<iModel.Model["invoke"]>>().toEqualTypeOf<
      Effect.Effect<Calling.Calling, TimeoutError | PermissionDenied>
    >()
  })

  it("a batch has results only where it is known that it does", () => {
    const batch = (mode: "default" | "result") =>
      // @ts-expect-error
      iModel.invokeAll([{ prompt: "hi" }], { mode })
    expectTypeOf(batch).toBeFunction()
  })

  it("respond and the calling's response add BackendError", () => {
    expectTypeOf<Effect.Error<ReturnType<typeof iModel.respond>>>().toEqualTypeOf<
      TimeoutError | PermissionDenied | BackendError
    >()
    expectTypeOf<Effect.Error<Calling.Calling["response"]>>().toEqualTypeOf<BackendError>()
  })

  it("layers say what they need and how they fail", () => {
    expectTypeOf(iModel.layer()).toEqualTypeOf<
      Layer.Layer<
        iModel.iModel,
        Cause.IllegalArgumentError | RateLimiter.RateLimiterError,
        ServiceBackend.ServiceBackend
      >
    >()
    expectTypeOf(OpenAi.layerChat({ model: "m" })).toEqualTypeOf<
      Layer.Layer<
        ServiceBackend.ServiceBackend,
        Config.ConfigError | Cause.IllegalArgumentError,
        HttpClient.HttpClient
      >
    >()
    expectTypeOf(iModel.layerFromJson({})).toEqualTypeOf<
      Layer.Layer<
        iModel.iModel,
        Errors.ConfigurationError | RateLimiter.RateLimiterError,
        HttpClient.HttpClient
      >
    >()
    expectTypeOf(ServiceRegistry.layerFromFile("imodel.json")).toEqualTypeOf<
      Layer.Layer<
        ServiceRegistry.ServiceRegistry,
        Errors.ConfigurationError,
        FileSystem.FileSystem | HttpClient.HttpClient
      >
    >()
  })

  it("a store of shared limits fails with what Redis's layer fails with, but for Redis itself", () => {
    expectTypeOf(LimitStore.layerRedis(NodeRedis.layerConfig({ url: LimitStore.redisUrl }))).toEqualTypeOf<
      Layer.Layer<
        LimitStore.LimitStore,
        Config.ConfigError | Cause.IllegalArgumentError | LimitStore.StoreUnavailable
      >
    >()
  })

  it("invoking a calling keeps the type of its data", () => {
    const withCalling = (model: iModel.Model, calling: Calling.Calling<{ n: number }>) => model.invoke(calling)
    expectTypeOf<Effect.Success<ReturnType<typeof withCalling>>>().toEqualTypeOf<Calling.Calling<{ n: number }>>()
  })
})

class Gpt extends iModel.Service<Gpt>()("test/Gpt", {
  backend: OpenAi.makeChat({ model: "gpt-4o-mini" }),
  limitRequests: 10,
  cost: (args) => (args.max_tokens ?? 0) + 100
}) {}

describe("iModel.Service", () => {
  it("is typed by its backend", () => {
    expectTypeOf<Gpt["Service"]>().toEqualTypeOf<iModel.Model<OpenAi.ChatRequest, OpenAi.ChatCompletion>>()
    expectTypeOf<Effect.Success<ReturnType<Gpt["Service"]["invoke"]>>>().toEqualTypeOf<
      Calling.Calling<OpenAi.ChatCompletion>
    >()
    expectTypeOf<Layer.Success<typeof Gpt.layer>>().toEqualTypeOf<Gpt>()
    expectTypeOf<Layer.Services<typeof Gpt.layer>>().toEqualTypeOf<HttpClient.HttpClient>()
    expectTypeOf<Context.Service.Shape<typeof Gpt>>().toEqualTypeOf<Gpt["Service"]>()
  })

  it("has a mock of its types, which needs neither a key nor a client", () => {
    const mock = Gpt.layerMock(() => Effect.never)
    expectTypeOf(mock).toEqualTypeOf<Layer.Layer<Gpt | ServiceBackend.Mock, iModel.OptionsError>>()
    expectTypeOf(Gpt.layerMock).parameter(0).toEqualTypeOf<ServiceBackend.MockHandler<OpenAi.ChatCompletion>>()
    // @ts-expect-error no completion
    expectTypeOf(Gpt.layerMock(() => Effect.succeed("blue"))).toBeObject()
  })

  it("refuses arguments the provider does not know", () => {
    const model = (gpt: Gpt["Service"]) => [
      gpt.respond({ prompt: "hi", temperature: 0 }),
      // @ts-expect-error a misspelt field
      gpt.respond({ prompt: "hi", temprature: 0 }),
      // @ts-expect-error a field of another type
      gpt.invoke({ prompt: "hi", temperature: "hot" }),
      // @ts-expect-error a role that does not exist
      gpt.invoke({ messages: [{ role: "robot", content: "hi" }] })
    ]
    expectTypeOf(model).toBeFunction()
  })
})

describe("BackendError", () => {
  it("has the reasons of effect/ai and ours", () => {
    expectTypeOf<BackendError["reason"]["_tag"]>().toEqualTypeOf<
      | "AuthenticationError"
      | "InvalidRequestError"
      | "RateLimitError"
      | "QuotaExhaustedError"
      | "ContentPolicyError"
      | "InternalProviderError"
      | "InvalidResponseError"
      | "InvalidOutputError"
      | "NetworkError"
      | "UnknownError"
      | "AllFailed"
      | "CircuitOpen"
      | "ContextLengthExceeded"
      | "ProcessFailure"
      | "StreamInterrupted"
      | "ToolFailure"
      | "Unsupported"
    >()
    expectTypeOf<PermissionDenied["reason"]>().toEqualTypeOf<Errors.PermissionDeniedReason>()
  })
})

describe("the arguments of the program's model", () => {
  it("are known by name", () => {
    const calls = () => [
      iModel.respond({ prompt: "Hi", system: "Be brief.", temperature: 1 }),
      iModel.invoke({ input: ["blue", "red"] }),
      iModel.invokeUnknown({ prompt: "Hi", top_k: 5 }),
      // @ts-expect-error a misspelt argument
      iModel.respond({ prompt: "Hi", temprature: 1 }),
      // @ts-expect-error a misspelt argument
      iModel.stream({ prompt: "Hi", maxTokens: 1 }),
      // @ts-expect-error a field of one wire
      iModel.invoke({ prompt: "Hi", top_k: 5 })
    ]
    expectTypeOf(calls).toBeFunction()
  })
})

describe("ServiceBackend.layerMock", () => {
  it("needs nothing", () => {
    expectTypeOf(ServiceBackend.layerMock<string>).returns.toEqualTypeOf<
      Layer.Layer<ServiceBackend.ServiceBackend | ServiceBackend.Mock>
    >()
  })
})

describe("ToolBackend.fromToolkit", () => {
  it("needs the handlers, and what they need", () => {
    class Database extends Context.Service<Database, string>()("test/Database") {}
    const toolkit = Toolkit.make(
      Tool.make("plain", { success: Schema.String }),
      Tool.make("needing", { success: Schema.String, dependencies: [Database] })
    )
    expectTypeOf(ToolBackend.fromToolkit(toolkit)).toEqualTypeOf<
      Effect.Effect<
        ReadonlyArray<ToolBackend.ToolkitTool>,
        never,
        Tool.Handler<"plain"> | Tool.Handler<"needing"> | Database
      >
    >()
  })
})
