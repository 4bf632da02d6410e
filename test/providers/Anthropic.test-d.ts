import { describe, expectTypeOf, it } from "@effect/vitest"
import { type Cause, Config, type Layer } from "effect"
import type { HttpClient } from "effect/http"
import { Anthropic, iModel, type ServiceBackend } from "effect-imodel"

class Claude extends iModel.Service<Claude>()("test/Claude", {
  backend: Anthropic.makeMessages({ model: "claude-sonnet-4-5" })
}) {}

describe("Anthropic", () => {
  it("has layers that say what they need and how they fail", () => {
    type Backend = Layer.Layer<
      ServiceBackend.ServiceBackend,
      Config.ConfigError | Cause.IllegalArgumentError,
      HttpClient.HttpClient
    >
    expectTypeOf(Anthropic.layerMessages({ model: "m" })).toEqualTypeOf<Backend>()
    expectTypeOf(Anthropic.layerMessagesConfig({ model: Config.String("MODEL") })).toEqualTypeOf<Backend>()
  })

  it("is typed by its wire", () => {
    expectTypeOf<Claude["Service"]>().toEqualTypeOf<iModel.Model<Anthropic.MessagesRequest, Anthropic.Message>>()
  })

  it("tells blocks by their type", () => {
    const read = (block: Anthropic.Message["content"][number]) => {
      if (block.type === "text") expectTypeOf(block.text).toEqualTypeOf<string>()
      if (block.type === "thinking") expectTypeOf(block.thinking).toEqualTypeOf<string>()
      if (block.type === "web_search_tool_result") expectTypeOf(block.tool_use_id).toEqualTypeOf<string>()
    }
    expectTypeOf(read).toBeFunction()
  })

  it("refuses arguments that the provider does not know", () => {
    const wrong = (claude: Claude["Service"]) => [
      claude.respond({ prompt: "hi", thinking: { type: "adaptive" }, max_tokens: 10 }),
      // @ts-expect-error a misspelt field
      claude.respond({ prompt: "hi", temprature: 0 }),
      // @ts-expect-error a field of another type
      claude.respond({ prompt: "hi", temperature: "hot" }),
      // @ts-expect-error a block that lacks its text
      claude.respond({ messages: [{ role: "user", content: [{ type: "text" }] }] }),
      // @ts-expect-error a field that the tool does not have
      claude.respond({ prompt: "hi", tools: [{ type: "web_search_20250305", name: "web_search", max_use: 1 }] })
    ]
    expectTypeOf(wrong).toBeFunction()
  })
})
