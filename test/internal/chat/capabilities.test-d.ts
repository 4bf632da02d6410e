import { describe, expectTypeOf, it } from "@effect/vitest"
import { Config } from "effect"
import { Anthropic, Gemini, type iModel, OpenAi, type ServiceBackend } from "effect-imodel"

describe("capabilities", () => {
  it("are options of every chat backend", () => {
    type Capabilities = ServiceBackend.Capabilities | undefined
    expectTypeOf<OpenAi.ChatOptions["capabilities"]>().toEqualTypeOf<Capabilities>()
    expectTypeOf<OpenAi.ResponsesOptions["capabilities"]>().toEqualTypeOf<Capabilities>()
    expectTypeOf<Anthropic.MessagesOptions["capabilities"]>().toEqualTypeOf<Capabilities>()
    expectTypeOf<Gemini.GenerateContentOptions["capabilities"]>().toEqualTypeOf<Capabilities>()
    expectTypeOf<iModel.Model["contextWindow"]>().toEqualTypeOf<number | undefined>()
  })

  it("can be configuration, one by one", () => {
    const layers = () => [
      OpenAi.layerChatConfig({ model: Config.String("MODEL"), capabilities: { tools: Config.Boolean("TOOLS") } }),
      Gemini.layerGenerateContentConfig({
        model: Config.String("MODEL"),
        capabilities: { contextWindow: Config.Int("WINDOW") }
      })
    ]
    expectTypeOf(layers).toBeFunction()
  })

  it("are those that there are, of models that chat", () => {
    const wrong = () => [
      // @ts-expect-error a capability that nobody knows
      Anthropic.makeMessages({ model: "m", capabilities: { audio: true } }),
      // @ts-expect-error a capability is there or not
      OpenAi.makeChat({ model: "m", capabilities: { tools: "some" } }),
      // @ts-expect-error embeddings are no chat
      OpenAi.makeEmbeddings({ model: "m", capabilities: { tools: false } }),
      // @ts-expect-error nor are these
      Gemini.makeEmbedContent({ model: "m", capabilities: { images: true } })
    ]
    expectTypeOf(wrong).toBeFunction()
  })
})
