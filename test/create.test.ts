/** Models for programs that are not written in Effect, made of options alone. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, Predicate, Redacted, Schema } from "effect"
import { type Calling, iModel, Simulator } from "effect-imodel"
import { createServer } from "node:http"
import { z } from "zod"
import { platform } from "./support/chatWires.ts"
import { serve } from "./support/server.ts"

const apiKey = Redacted.make("not-needed")

/** Runs a program in promises against a simulated provider on loopback. */
const simulated = Effect.fnUntraced(
  function*(options: Simulator.Options, program: (baseUrl: string) => Promise<void>) {
    const { baseUrl } = yield* Simulator.serve({ latency: 0, ...options })
    yield* Effect.promise(() => program(baseUrl))
  },
  Effect.scoped,
  (effect) => Effect.provide(effect, loopback())
)

const loopback = () => NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })

const collect = async <A>(items: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

const textOf = async (calling: Calling.Calling) => (await Effect.runPromise(calling.response)).text

describe("create", () => {
  it.live("makes a model of options, which answers one call, many calls, and a loop", () =>
    simulated({ answer: (prompt) => prompt.toUpperCase() }, async (baseUrl) => {
      await using gpt = iModel.create({ provider: "openai", model: "m", apiKey, baseUrl, limitRequests: 500 })
      assert.strictEqual((await gpt.respond({ prompt: "blue" })).text, "BLUE")
      const prompts = ["a", "b"].map((prompt) => ({ prompt }))
      assert.deepStrictEqual(await Promise.all((await gpt.invokeAll(prompts)).map(textOf)), ["A", "B"])
      const results = await gpt.invokeAll(prompts, { mode: "result" })
      assert.deepStrictEqual(results.map(({ _tag }) => _tag), ["Success", "Success"])
      const read = async function*() {
        yield* prompts
      }
      for (const stream of [gpt.invokeStream(prompts), gpt.invokeStream(read())]) {
        const texts = (await collect(stream)).map((result) => result._tag === "Success" ? textOf(result.success) : "")
        assert.deepStrictEqual(await Promise.all(texts), ["A", "B"])
      }
    }))

  it.live("asks another model when one fails", () =>
    simulated({ answer: () => "from the second" }, (baseUrl) =>
      Effect.runPromise(
        Effect.gen(function*() {
          const down = yield* serve({ status: 500, body: { error: { message: "down" } } })
          yield* Effect.promise(async () => {
            const options = { provider: "openai", model: "m", apiKey, retry: { times: 0 } }
            await using first = iModel.create({ ...options, baseUrl: `${down.url}/v1` })
            await using second = iModel.create({ ...options, baseUrl })
            await using either = iModel.createFallback([first, second])
            assert.strictEqual((await either.respond({ prompt: "Hello" })).text, "from the second")
          })
        }).pipe(Effect.scoped, Effect.provide(platform))
      )))

  it("rejects wrong options by name", async () => {
    const wrong: iModel.ModelOptions & { readonly limitRequest: number } = {
      provider: "openai",
      model: "m",
      apiKey,
      limitRequest: 1
    }
    const reject = (options: iModel.ModelOptions) =>
      iModel.create(options).respond({ prompt: "Hi" }).then(() => "", String)
    assert.match(await reject(wrong), /limitRequest"\. Did you mean limitRequests/)
    assert.match(await reject({ provider: "nobody", model: "m" }), /"nobody" is not known/)
    assert.match(await reject({ provider: "openai", model: "m", apiKey, baseUrl: "not an address" }), /address/)
  })
})

describe("a conversation in promises", () => {
  it.live("runs tools whose parameters are schemas of Effect or of Zod", () =>
    simulated({
      answer: (_, { messages }) => {
        const last = messages.at(-1)
        return last?.role === "tool"
          ? `It is ${last.text}.`
          : { toolCalls: [{ name: "add", arguments: { a: 1, b: 2 } }] }
      }
    }, async (baseUrl) => {
      await using gpt = iModel.create({ provider: "openai", model: "m", apiKey, baseUrl })
      const options = { name: "add", description: "Adds two numbers." }
      const adds = [
        iModel.tool({
          ...options,
          parameters: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
          run: async ({ a, b }) => a + b
        }),
        iModel.tool({ ...options, parameters: z.object({ a: z.number(), b: z.number() }), run: ({ a, b }) => a + b })
      ]
      for (const add of adds) {
        const { response, steps } = await gpt.converse("What is 1 + 2?", { tools: [add], maxTurns: 3 })
        assert.strictEqual(response.text, "It is 3.")
        assert.strictEqual(steps.length, 2)
      }
    }))

  it.live("tells the model of wrong arguments", () =>
    simulated({
      answer: (_, { messages }) => {
        const last = messages.at(-1)
        return last?.role === "tool" ? last.text : { toolCalls: [{ name: "add", arguments: { a: 1, b: "two" } }] }
      }
    }, async (baseUrl) => {
      await using gpt = iModel.create({ provider: "openai", model: "m", apiKey, baseUrl })
      const parameters = z.object({ a: z.number(), b: z.number() })
      const add = iModel.tool({ name: "add", parameters, run: () => assert.fail("must not run") })
      const { response } = await gpt.converse("What is 1 + 2?", { tools: [add], maxTurns: 3 })
      assert.match(response.text, /b/)
    }))
})

describe("a schema of Zod", () => {
  const Colour = z.object({ name: z.string().transform((name) => name.toUpperCase()), hex: z.string().optional() })

  it.live("decodes an answer, and is told to the provider", () =>
    simulated({
      answer: (_, { messages, outputSchema }) => {
        assert.deepInclude(outputSchema?.["properties"], { name: { type: "string" } })
        return messages.length === 1 ? `{"name":1}` : `{"name":"blue","hex":null}`
      }
    }, async (baseUrl) => {
      await using gpt = iModel.create({ provider: "openai", model: "m", apiKey, baseUrl })
      const { value } = await gpt.respondAs(Colour, { prompt: "Name a colour." })
      expectTypeOf(value).toEqualTypeOf<z.infer<typeof Colour>>()
      assert.strictEqual(value.name, "BLUE")
    }))

  it("of which a value is wrong says where", () => {
    const schema = iModel.fromStandardSchema(
      z.object({ hex: z.string().refine((hex) => hex.startsWith("#"), "must begin with #") })
    )
    const error = Effect.runSync(Effect.flip(Schema.decodeEffect(schema)({ hex: "red" })))
    assert.match(String(error), /must begin with #[\s\S]*hex/)
  })

  it("that throws fails the answer, and nothing else", async () => {
    const schema = iModel.fromStandardSchema(
      z.object({ hex: z.string().transform((text): unknown => JSON.parse(text)) })
    )
    const error = await Effect.runPromise(Effect.flip(Schema.decodeEffect(schema)({ hex: "no json" })))
    assert.match(String(error), /has thrown, or is asynchronous/)
  })

  it("of values that JSON does not have is refused", () => {
    assert.throws(() => iModel.fromStandardSchema(z.object({ at: z.date() })), /must have a JSON schema/)
  })

  it("without a JSON schema is refused", () => {
    const { "~standard": { jsonSchema: _, ...standard } } = Colour
    const unknown: unknown = { "~standard": standard }
    const isStandard = (u: unknown): u is iModel.StandardSchema => Predicate.hasProperty(u, "~standard")
    assert.throws(() => isStandard(unknown) && iModel.fromStandardSchema(unknown), /Standard JSON Schema/)
  })
})
