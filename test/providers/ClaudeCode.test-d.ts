import { describe, expectTypeOf, it } from "@effect/vitest"
import type { Cause, Config, Effect, Layer, SubscriptionRef } from "effect"
import { ClaudeCode, iModel, type ServiceBackend } from "effect-imodel"

type Wrong = Config.ConfigError | Cause.IllegalArgumentError

describe("ClaudeCode", () => {
  it("makes a backend of its own types, on the platform", () => {
    expectTypeOf(ClaudeCode.makeQuery()).toEqualTypeOf<
      Effect.Effect<
        ServiceBackend.Backend<ClaudeCode.QueryRequest, ClaudeCode.QueryResult>,
        Wrong,
        ClaudeCode.Platform
      >
    >()
    expectTypeOf(ClaudeCode.layerQuery()).toEqualTypeOf<
      Layer.Layer<ServiceBackend.ServiceBackend, Wrong, ClaudeCode.Platform>
    >()
  })

  it("takes its own options, and no others", () => {
    class Agent extends iModel.Service<Agent>()("app/Agent", { backend: ClaudeCode.makeQuery({ model: "sonnet" }) }) {}
    const use = (agent: Agent["Service"]) => {
      expectTypeOf(agent.providerMetadata).toExtend<
        SubscriptionRef.SubscriptionRef<Readonly<Record<string, unknown>>>
      >()
      void agent.respond({ prompt: "Hello", resume: false, allowedTools: ["Read"], cwd: "a", autoFinish: true })
      // @ts-expect-error the permission modes are known
      void agent.respond({ prompt: "Hello", permissionMode: "anything" })
      // @ts-expect-error a session is named, or not wanted
      void agent.respond({ prompt: "Hello", resume: true })
      // @ts-expect-error the caller's own tools are no argument
      return agent.respond({ prompt: "Hello", tools: [] })
    }
    expectTypeOf<Effect.Success<ReturnType<typeof use>>["data"]>().toEqualTypeOf<ClaudeCode.QueryResult>()
  })
})
