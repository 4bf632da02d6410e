/** How Gemini's stream is read: over HTTP, against the official SDK, and for any answer in any chunks. */
import { assert, describe, it, layer } from "@effect/vitest"
import { GoogleGenAI, type Part as SdkPart } from "@google/genai"
import { Effect, Fiber, Latch, Result, Schema, Stream } from "effect"
import { Prompt } from "effect/ai"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { type Calling, Gemini } from "effect-imodel"
import { contentOf } from "../../src/internal/gemini/answer.ts"
import { GenerateContentResponse } from "../../src/internal/gemini/answerSchema.ts"
import { makeDecoder } from "../../src/internal/gemini/stream.ts"
import { isReadable } from "../support/json.ts"
import { type Answer, serve } from "../support/server.ts"
import * as StreamContract from "../support/streamContract.ts"
import { assembled, folded } from "../support/streams.ts"
import * as Wire from "../support/wire.ts"

const eventStream = { "content-type": "text/event-stream" }

const sse = (chunks: ReadonlyArray<object>): string =>
  chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join("")

const bytesOf = (...chunks: ReadonlyArray<object>) => new TextEncoder().encode(sse(chunks))

const chunkOf = (parts: ReadonlyArray<object>, candidate: object = {}, fields: object = {}) => ({
  candidates: [{ content: { role: "model", parts }, index: 0, ...candidate }],
  usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 },
  modelVersion: "gemini-2.5-flash-001",
  responseId: "resp-1",
  ...fields
})

const last = chunkOf([{ text: "" }], { finishReason: "STOP" }, {
  usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 4, thoughtsTokenCount: 2, totalTokenCount: 15 }
})

const chunks = [
  chunkOf([{ text: "Hm, ", thought: true }]),
  chunkOf([{ text: "größer.", thought: true }, { text: "Bl" }]),
  chunkOf([{ text: "ue 🟦" }]),
  chunkOf([{ functionCall: { name: "paint", args: { colour: "blue" } }, thoughtSignature: "c2ln" }]),
  chunkOf([{ text: "", thoughtSignature: "ZW5k" }]),
  last
]

const whole = chunkOf(
  [
    { text: "Hm, größer.", thought: true },
    { text: "Blue 🟦" },
    { functionCall: { name: "paint", args: { colour: "blue" } }, thoughtSignature: "c2ln" },
    { text: "", thoughtSignature: "ZW5k" }
  ],
  { finishReason: "STOP" },
  { usageMetadata: last.usageMetadata }
)

const overloaded = { error: { code: 503, message: "Overloaded", status: "UNAVAILABLE" } }

const wire = Wire.make({
  makeBackend: (options) => Gemini.makeGenerateContent({ model: "gemini-2.5-flash", ...options }),
  apiKey: "AIza-stream-canary",
  base: "/v1beta",
  ask: { prompt: "hi" },
  answer: whole
})

const streamOf = Effect.fnUntraced(function*(answer: Answer, args: Gemini.GenerateContentRequest = { prompt: "hi" }) {
  const server = yield* serve({ headers: eventStream, ...answer })
  const model = yield* wire.modelAt(`${server.url}/v1beta`)
  return model.stream(args)
})

/** How a stream breaks off, and the parts until then. */
const brokenOff = Effect.fnUntraced(function*(answer: Answer) {
  const parts: Array<Calling.StreamPart> = []
  const stream = yield* streamOf(answer)
  const error = yield* Effect.flip(Stream.runForEach(stream, (part) => Effect.sync(() => parts.push(part))))
  if (error._tag !== "BackendError") return assert.fail(error._tag)
  return { parts, reason: error.reason }
})

layer(FetchHttpClient.layer)("a stream of Gemini's", (it) => {
  const everything = { whole, streamed: bytesOf(...chunks) }

  StreamContract.run(it, wire, {
    everything,
    little: everything,
    begun: bytesOf(chunkOf([{ text: "Blue." }])),
    inputTokens: 9,
    senseless: bytesOf({ candidates: 3 }),
    overloaded: bytesOf(overloaded)
  })

  it.effect("is asked for at its own address, and has the parts in order", () =>
    Effect.gen(function*() {
      const server = yield* serve({ headers: eventStream, body: sse(chunks) })
      const model = yield* wire.modelAt(`${server.url}/v1beta`)
      const parts = yield* Stream.runCollect(model.stream({ prompt: "Name a colour.", max_tokens: 9 }))
      const { body, headers, path } = yield* server.arrival
      assert.strictEqual(path, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
      assert.strictEqual(headers["x-goog-api-key"], "AIza-stream-canary")
      assert.deepStrictEqual(body, {
        contents: [{ role: "user", parts: [{ text: "Name a colour." }] }],
        generationConfig: { maxOutputTokens: 9 }
      })
      assert.deepStrictEqual(parts.map((part) => part.type), [
        "response-metadata",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "tool-params-start",
        "tool-params-delta",
        "tool-params-end",
        "tool-call",
        "text-start",
        "text-end",
        "finish"
      ])
      assert.deepInclude(parts.at(-1), {
        reason: "tool-calls",
        usage: { inputTokens: { total: 9 }, outputTokens: { total: 6, reasoning: 2, text: 4 } }
      })
    }))

  it.effect("is sent back as it came, with its signatures in their places", () =>
    Effect.gen(function*() {
      const parts = yield* Stream.runCollect(yield* streamOf({ body: sse(chunks) }))
      const server = yield* serve({ body: chunkOf([], { finishReason: "STOP" }) })
      const model = yield* wire.modelAt(server.url)
      yield* model.respond({ prompt: Prompt.fromResponseParts(parts) })
      assert.deepStrictEqual((yield* server.arrival).body, {
        contents: [{
          role: "model",
          parts: [
            { text: "Hm, größer.", thought: true },
            { text: "Blue 🟦" },
            { functionCall: { id: "resp-1-0", name: "paint", args: { colour: "blue" } }, thoughtSignature: "c2ln" },
            { text: "", thoughtSignature: "ZW5k" }
          ]
        }]
      })
    }))

  it.effect("has what the official SDK reads out of the same bytes", () =>
    Effect.gen(function*() {
      const { url } = yield* serve({ headers: eventStream, body: sse(chunks) })
      const official = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: url, apiVersion: "v1beta" } })
      const theirs: Array<SdkPart> = []
      let usage: unknown
      yield* Effect.promise(async () => {
        const stream = await official.models.generateContentStream({ model: "m", contents: "hi" })
        for await (const chunk of stream) {
          theirs.push(...chunk.candidates?.[0]?.content?.parts ?? [])
          usage = chunk.usageMetadata
        }
      })
      const model = yield* wire.modelAt(`${url}/v1beta`)
      const ours = folded(yield* Stream.runCollect(model.stream({ prompt: "hi" })))
      const textOf = (thought: boolean) =>
        theirs.flatMap((part) => (part.thought === true) === thought ? [part.text ?? ""] : []).join("")
      const ourTextOf = (type: "text" | "reasoning") =>
        ours.flatMap((part) => part.type === type && "text" in part ? [part.text] : []).join("")
      assert.strictEqual(ourTextOf("reasoning"), textOf(true))
      assert.strictEqual(ourTextOf("text"), textOf(false))
      assert.deepStrictEqual(
        ours.flatMap((part) => part.type === "tool-call" ? [{ name: part.name, args: part.params }] : []),
        theirs.flatMap(({ functionCall }) =>
          functionCall === undefined ? [] : [{ name: functionCall.name ?? "", args: functionCall.args }]
        )
      )
      assert.deepStrictEqual(
        ours.flatMap((part) => part.metadata["gemini"] ?? []).filter((metadata) =>
          "thoughtSignature" in Object(metadata)
        ),
        theirs.flatMap(({ thoughtSignature }) => thoughtSignature === undefined ? [] : [{ thoughtSignature }])
      )
      assert.deepInclude(usage, { promptTokenCount: 9, candidatesTokenCount: 4, thoughtsTokenCount: 2 })
    }))

  it.effect("ends when its body does, though every chunk has a finish reason", () =>
    Effect.gen(function*() {
      const all = ["Bl", "ue", "."].map((text) => chunkOf([{ text }], { finishReason: "STOP" }))
      const { parts } = yield* wire.streamOf(...all.map((chunk) => bytesOf(chunk)))
      assert.deepInclude(folded(parts)[1], { type: "text", text: "Blue." })
    }))

  it.effect("has broken off when it is cut, though every chunk has a finish reason", () =>
    Effect.gen(function*() {
      const body = sse(["Bl", "ue", "."].map((text) => chunkOf([{ text }], { finishReason: "STOP" })))
      // The second half is never sent.
      const { reason } = yield* brokenOff({ body: body + " ".repeat(body.length), end: "cut" })
      assert.deepInclude(reason, { _tag: "StreamInterrupted", text: "Blue." })
    }))

  it.effect("ends after a silence when it has finished, though its body never does", () =>
    Effect.gen(function*() {
      const body = sse([chunkOf([{ text: "Blue." }], { finishReason: "STOP" })])
      // The second half is never sent.
      const stream = yield* streamOf({ body: body + " ".repeat(body.length), end: "stall" })
      const begun = yield* Latch.make()
      const fiber = yield* Effect.forkChild(Stream.runCollect(Stream.tap(stream, () => begun.open)))
      yield* begun.await
      const passing = Effect.forever(Effect.andThen(TestClock.withLive(Effect.sleep(1)), TestClock.adjust("1 second")))
      const parts = yield* Effect.raceFirst(Fiber.join(fiber), passing)
      assert.strictEqual(parts.at(-1)?.type, "finish")
    }))

  it.effect.each(
    [
      {
        name: "has an event that is not JSON",
        answer: { body: `${sse([chunkOf([{ text: "Bl" }])])}data: {"cand\n\n${sse([last])}` }
      },
      {
        name: "has an event of another shape",
        answer: { body: sse([chunkOf([{ text: "Bl" }]), { candidates: 3 }, last]) }
      }
    ] as const
  )("breaks off, though it finishes, when it $name", ({ answer }) =>
    Effect.gen(function*() {
      const { reason } = yield* brokenOff(answer)
      assert.deepInclude(reason, { _tag: "StreamInterrupted", text: "Bl" })
      if (reason._tag === "StreamInterrupted") assert.strictEqual(reason.usage.inputTokens.total, 9)
    }))

  it.effect("fails with the reason alone when it is blocked or limited", () =>
    Effect.gen(function*() {
      const blocked = yield* brokenOff({ body: sse([{ promptFeedback: { blockReason: "SAFETY" }, responseId: "1" }]) })
      assert.deepStrictEqual([blocked.reason._tag, blocked.parts], ["ContentPolicyError", []])
      const limited = yield* brokenOff({
        status: 429,
        headers: {},
        body: [{
          error: {
            code: 429,
            status: "RESOURCE_EXHAUSTED",
            message: "Slow down.",
            details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "2s" }]
          }
        }]
      })
      assert.strictEqual(limited.reason._tag, "RateLimitError")
    }))
})

describe("the decoder of Gemini's stream", () => {
  const Signature = Schema.optionalKey(Schema.Literals(["c2ln", "ZW5k"]))
  const Text = Schema.Struct({ text: Schema.String, thought: Schema.optionalKey(Schema.Literal(true)) })
  const Args = Schema.Record(Schema.String, Schema.Json).check(isReadable)
  const Id = Schema.optionalKey(Schema.String)

  /** A part of an answer; and where a text is split. */
  const AnyPart = Schema.Struct({
    part: Schema.Union([
      Text,
      Schema.Struct({ ...Text.fields, thoughtSignature: Schema.Literal("c2ln") }),
      Schema.Struct({
        functionCall: Schema.Struct({ id: Id, name: Schema.String, args: Schema.optionalKey(Args) }),
        thoughtSignature: Signature
      }),
      Schema.Struct({
        inlineData: Schema.Struct({
          mimeType: Schema.Literal("image/png"),
          data: Schema.Literals(["AQID", "iVBORw0KGgo="])
        }),
        thoughtSignature: Signature
      }),
      Schema.Struct({
        executableCode: Schema.Struct({ language: Schema.Literal("PYTHON"), code: Schema.String, id: Id })
      }),
      Schema.Struct({
        codeExecutionResult: Schema.Struct({ outcome: Schema.Literals(["OUTCOME_OK", "OUTCOME_FAILED"]), id: Id })
      }),
      Schema.Struct({ toolCall: Schema.Struct({ toolType: Schema.Literal("GOOGLE_MAPS"), args: Args }) }),
      Schema.Struct({ fileData: Schema.Struct({ fileUri: Schema.String }) })
    ]),
    split: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })),
    /** Whether what comes next is in another chunk. */
    cut: Schema.Boolean
  })

  const Case = Schema.Struct({
    parts: Schema.Array(AnyPart).check(Schema.isMaxLength(8)),
    finishReason: Schema.Literals(["STOP", "MAX_TOKENS", "SAFETY"]),
    sources: Schema.Array(Schema.Struct({ uri: Schema.Literals(["https://a.example", "none"]), title: Schema.String }))
  })

  type Wire = typeof AnyPart.Type["part"]

  const isPlain = (part: Wire | undefined): part is typeof Text.Type =>
    part !== undefined && "text" in part && !("thoughtSignature" in part)

  /** Texts that follow one another are one, as a whole answer has them. */
  const merged = (parts: typeof Case.Type["parts"]) => {
    const all: Array<typeof AnyPart.Type> = []
    for (const next of parts) {
      const { part } = next
      const before = all.at(-1)
      if (!isPlain(part)) all.push(next)
      else if (before !== undefined && isPlain(before.part) && before.part.thought === part.thought) {
        all[all.length - 1] = { ...before, part: { ...before.part, text: before.part.text + part.text } }
      } else if (part.text !== "") all.push(next)
    }
    return all
  }

  const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

  it.prop(
    "makes of the chunks of any answer what it is when it comes as a whole",
    [Case],
    ([{ finishReason, parts: drawn, sources }]) => {
      const parts = merged(drawn)
      const end = {
        finishReason,
        ...(sources.length > 0 && { groundingMetadata: { groundingChunks: sources.map((web) => ({ web })) } })
      }
      const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 4 }
      const head = { modelVersion: "m", responseId: "r" }
      const whole = {
        candidates: [{ content: { role: "model", parts: parts.map(({ part }) => part) }, index: 0, ...end }],
        usageMetadata,
        ...head
      }

      const events: Array<object> = []
      let pending: Array<Wire> = []
      const flush = (candidate: object = {}, usage: object = { promptTokenCount: 9 }) => {
        events.push({
          candidates: [{ content: { role: "model", parts: pending }, index: 0, ...candidate }],
          usageMetadata: usage,
          ...head
        })
        pending = []
      }
      for (const { cut, part, split } of parts) {
        if (isPlain(part)) {
          pending.push({ ...part, text: part.text.slice(0, split) })
          flush()
          pending.push({ ...part, text: part.text.slice(split) })
        } else pending.push(part)
        if (cut) flush()
      }
      flush(end, usageMetadata)

      const { data, parts: emitted } = assembled(makeDecoder(), events)
      const plain = Schema.decodeUnknownSync(GenerateContentResponse)(json(whole))
      assert.deepStrictEqual(data, plain)
      assert.deepStrictEqual(folded(emitted), contentOf(plain))
    },
    { arbitrary: { runs: 500 } }
  )

  it("has the parts of the first candidate, the data of all, and is whole when all have finished", () => {
    const decoder = makeDecoder()
    const push = (...candidates: ReadonlyArray<object>) =>
      Result.getOrElse(decoder.push({ candidates }, "message"), (failure) => assert.fail(failure._tag))
    const text = (text: string) => ({ content: { parts: [{ text }] } })
    const tokens = (...tokens: ReadonlyArray<string>) => ({ logprobsResult: { chosenCandidates: tokens } })
    push({ index: 1, ...text("Red") }, { ...text("Bl"), ...tokens("Bl"), finishReason: null })
    push({ ...text("ue"), ...tokens("u", "e"), finishReason: "STOP", avgLogprobs: -1 })
    assert.isFalse(decoder.isOver())
    assert.isUndefined(decoder.end(false))
    push({ index: 1, ...text("."), finishReason: "MAX_TOKENS" })
    assert.strictEqual(decoder.isOver(), "perhaps")
    const end = decoder.end(false)
    assert.deepStrictEqual(end?.data.candidates, [
      {
        content: { parts: [{ text: "Blue" }] },
        finishReason: "STOP",
        avgLogprobs: -1,
        logprobsResult: { chosenCandidates: ["Bl", "u", "e"], topCandidates: [] }
      },
      { index: 1, content: { parts: [{ text: "Red." }] }, finishReason: "MAX_TOKENS" }
    ])
    assert.deepInclude(end?.parts.at(-1), { type: "finish", reason: "stop" })
  })
})
