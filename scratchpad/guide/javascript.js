/**
 * Plain JavaScript: promises, async iteration and abort signals in place of Effect.
 *
 *     npm run guide -- javascript
 */
import { Layer, Redacted, Schema } from "effect"
import { iModel, OpenAi, Simulator } from "effect-imodel"

// Against OpenAI: `iModel.create({ provider: "openai", model: "gpt-4o-mini", limitRequests: 500 })`, without layers.
const model = iModel.layer({ limitRequests: 500 }).pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") })),
  Layer.provide(Simulator.layerHttpClient({ limitRequests: 500 }))
)

await using gpt = iModel.toPromise(model) // made at its first use, ended with the block

const { text, usage } = await gpt.respond({ prompt: "Name a colour.", max_tokens: 20 })
console.log(text, usage.outputTokens.total)

const Colour = Schema.Struct({ name: Schema.String, red: Schema.Int })
const { value } = await gpt.respondAs(Colour, { prompt: "Name a colour." })
console.log(typeof value.name, typeof value.red)

let chunks = 0
for await (const part of gpt.stream({ prompt: "Tell a story." })) {
  if (part.type === "text-delta") chunks++
}
console.log(chunks > 1 ? "streamed" : "in one piece")

// As many as there are: the limits hold, the promises wait.
const answers = await Promise.all(["red", "blue"].map((colour) => gpt.respond({ prompt: `A fruit that is ${colour}` })))
console.log(answers.length)

try {
  await gpt.respond({ prompt: "Think for long." }, { signal: AbortSignal.timeout(5) }) // ended down to the socket
} catch (error) {
  console.log(error instanceof Error && error.name)
}
