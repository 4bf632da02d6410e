import { describe, expectTypeOf, it } from "@effect/vitest"
import type { Effect } from "effect"
import { type Anthropic, iModel, type OpenAi } from "effect-imodel"

declare const gpt: iModel.Model<OpenAi.ChatRequest, OpenAi.ChatCompletion>
declare const claude: iModel.Model<Anthropic.MessagesRequest, Anthropic.Message>
declare const any: iModel.Model
declare const weather: iModel.Model<{ readonly city: string; readonly days?: number | undefined }, "sun" | "rain">
declare const forecast: iModel.Model<{ readonly city: string; readonly unit: string }, number>

type Of<Made> = Made extends Effect.Effect<infer Model, unknown, unknown> ? Model : never

describe("a model of several", () => {
  it("takes what all of them take, and answers with what one of them does", () => {
    const either = () => iModel.fallback([gpt, claude])
    type Either = Of<ReturnType<typeof either>>
    expectTypeOf<Either>().toExtend<iModel.Model<never, OpenAi.ChatCompletion | Anthropic.Message>>()
    const calls = (model: Either) => [
      model.respond({ prompt: "hi", max_tokens: 16, temperature: 0 }),
      // @ts-expect-error only OpenAI's takes it
      model.respond({ prompt: "hi", logprobs: true }),
      // @ts-expect-error a field of another type
      model.respond({ prompt: "hi", temperature: "hot" })
    ]
    expectTypeOf(calls).toBeFunction()
  })

  it("of models of one type is of that type", () => {
    const two = () => iModel.fallback([any, any])
    expectTypeOf<Of<ReturnType<typeof two>>>().toEqualTypeOf<iModel.Model>()
    const list = (models: readonly [typeof gpt, ...Array<typeof gpt>]) => iModel.fallback(models)
    expectTypeOf<Of<ReturnType<typeof list>>>().toEqualTypeOf<typeof gpt>()
  })

  it("is none of models that have too little in common, or of no models", () => {
    const wrong = () => [
      // @ts-expect-error the second needs a unit, which the first does not take
      iModel.fallback([weather, forecast]),
      // @ts-expect-error there must be one
      iModel.fallback([]),
      // @ts-expect-error there must be a weight for each
      iModel.balance([any, any], { strategy: { weights: [1] } })
    ]
    expectTypeOf(wrong).toBeFunction()
  })
})
