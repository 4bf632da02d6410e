/** The provider: takes a request of any wire, admits it under the limit, and answers or refuses it in that wire's words. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type * as Simulator from "./options.ts"
import { duration } from "../util/options.ts"
import * as Answering from "./answering.ts"
import { anthropic } from "./anthropic.ts"
import { Exchange } from "./exchange.ts"
import { refusalOf, type Sent, sentOf } from "./faults.ts"
import { gemini } from "./gemini.ts"
import * as Limit from "./limit.ts"
import * as OpenAi from "./openAi.ts"
import { chat } from "./openAiChat.ts"
import { embeddings } from "./openAiEmbeddings.ts"
import { responses } from "./openAiResponses.ts"
import { type Asked, countTokens, type Refusal, type Vendor } from "./wire.ts"

/** The connection was reset, before an answer or in the middle of one. */
class ConnectionReset extends Data.TaggedError("ConnectionReset")<{ readonly code: "ECONNRESET" }> {}

export interface Provider {
  readonly app: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    ConnectionReset,
    HttpServerRequest.HttpServerRequest
  >
  readonly seen: Effect.Effect<Simulator.Seen>
  readonly exchanges: Effect.Effect<ReadonlyArray<Simulator.Exchange>>
}

export const make = Effect.fnUntraced(function*(
  options: Simulator.Options
): Effect.fn.Return<Provider, Cause.IllegalArgumentError> {
  const latency = yield* duration("latency", options.latency ?? 50)
  const chunkInterval = yield* duration("chunkInterval", options.chunkInterval ?? Duration.times(latency, 0.1))
  const limit = yield* Limit.make(options)
  const prepare = Answering.make(options)
  const attempts = new Map<string, number>()

  const exchanges: Array<Exchange> = []
  let requests = 0
  let atOnce = 0
  let mostAtOnce = 0

  /** While its scope is open, one more is being answered. */
  const busy = Effect.acquireRelease(
    Effect.sync(() => void (mostAtOnce = Math.max(mostAtOnce, ++atOnce))),
    () => Effect.sync(() => void atOnce--)
  )

  const faultOf = (request: Simulator.Request): Simulator.Fault | undefined => {
    if (options.faults === undefined) return undefined
    const key = `${request.provider}\n${request.prompt}`
    const attempt = (attempts.get(key) ?? 0) + 1
    attempts.set(key, attempt)
    return options.faults(request, attempt)
  }

  /** The chunks of a body, each after its time. A body that is not read to its end is cancelled. */
  const bytesOf = ({ chunks, ending }: Sent, wait: Duration.Duration, exchange: Exchange) => {
    const paced = Stream.mapEffect(
      Stream.fromIterable(chunks.entries()),
      ([i, chunk]) => Effect.as(Effect.sleep(i === 0 ? wait : chunkInterval), encoder.encode(chunk))
    )
    // The turn lets a server send what it was given before the connection goes.
    const breaks = Effect.sleep(chunkInterval).pipe(
      Effect.andThen(Effect.yieldNow),
      Effect.andThen(exchange.end("broken")),
      Effect.andThen(reset)
    )
    const ended = Stream.fromEffectDrain(exchange.end("answered"))
    const rest = ending === "end" ? ended : ending === "silence" ? Stream.never : Stream.fromEffect(breaks)
    return Stream.unwrap(Effect.as(busy, Stream.concat(paced, rest))).pipe(Stream.ensuring(exchange.end("cancelled")))
  }

  const app = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const nowMillis = yield* Clock.currentTimeMillis
    const number = ++requests
    const requestId = `req_${number}`
    const { groups, operation, query, vendor } = routeOf(request)

    const headers = () => vendor.headers({ requestId, nowMillis, buckets: limit.buckets })
    const refuse = (refusal: Refusal, stream = false) => {
      const { body, headers: more, status } = vendor.refuse(refusal, requestId)
      // Who tells of it with 200 does so in an event, if it is to be a stream.
      return stream && status === 200
        ? HttpServerResponse.text(`data: ${JSON.stringify(body)}\r\n\r\n`, { contentType: sse, headers: headers() })
        : HttpServerResponse.jsonUnsafe(body, { status, headers: { ...headers(), ...more } })
    }

    if (operation === undefined) return refuse({ _tag: "NotFound", method: request.method, url: request.url })
    const lack = vendor.check(request.headers)
    if (lack !== undefined) return refuse(lack)
    const json = yield* Effect.result(request.json)
    if (Result.isFailure(json)) {
      const message = "We could not parse the JSON body of your request."
      return refuse({ _tag: "Invalid", issue: { path: "", message } })
    }
    const read = operation.read(json.success, { groups, query })
    if (Result.isFailure(read)) return refuse({ _tag: "Invalid", issue: read.failure })
    const asked = read.success
    const neutral = requestOf(vendor, asked)
    const prepared = yield* Effect.result(prepare(neutral, asked, vendor.callPrefix))
    if (Result.isFailure(prepared)) return refuse({ _tag: "Invalid", issue: prepared.failure })
    const exchange = new Exchange(neutral, nowMillis)
    exchanges.push(exchange)

    const answered = Effect.gen(function*() {
      const fault = faultOf(neutral)
      const inputTokens = countTokens(asked.prompt)
      const refusal = fault && refusalOf(fault, inputTokens)
      const excess = refusal === undefined && fault?._tag !== "Reset"
        ? limit.admit(nowMillis, inputTokens + (asked.maxTokens ?? 0), asked.model)
        : undefined
      const refused = refusal ?? excess
      if (refused !== undefined) {
        yield* exchange.end("refused")
        return refuse(refused, refusal !== undefined && asked.stream)
      }
      if (fault?._tag === "Reset") return yield* reset
      if (fault?._tag === "NoResponse") return yield* Effect.scoped(Effect.andThen(busy, Effect.never))

      const wait = fault?._tag === "SlowStart" ? Duration.sum(latency, Duration.fromInputUnsafe(fault.delay)) : latency
      // The head of a stream is there at once.
      if (!asked.stream) yield* Effect.scoped(Effect.andThen(busy, Effect.sleep(wait)))
      const reply = prepared.success({ number, createdMillis: nowMillis, inputTokens })
      const sent = sentOf(reply, fault)
      const contentType = reply._tag === "Events" ? sse : "application/json"
      if (reply._tag === "Whole" && sent.ending === "end") {
        yield* exchange.end("answered")
        return HttpServerResponse.text(sent.chunks.join(""), { contentType, headers: headers() })
      }
      const bytes = bytesOf(sent, asked.stream ? wait : Duration.zero, exchange)
      return HttpServerResponse.stream(bytes, { contentType, headers: headers() })
    })
    return yield* Effect.onExit(answered, (exit) =>
      Exit.isSuccess(exit)
        ? Effect.void
        : exchange.end(Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "broken"))
  })

  return {
    app,
    seen: Effect.sync(() => ({ requests, mostAtOnce, ...limit.seen() })),
    exchanges: Effect.sync(() => exchanges.map((exchange) => exchange.since(exchanges[0]?.arrivedAtMillis ?? 0)))
  }
})

const reset = new ConnectionReset({ code: "ECONNRESET" })

const sse = "text/event-stream"

const encoder = new TextEncoder()

const operations = [chat, responses, embeddings, ...anthropic.operations, ...gemini.operations]

/** Which operation a request is for, by the end of its path; one that is for none is refused by whom it looks to be for. */
const routeOf = ({ headers, method, url }: HttpServerRequest.HttpServerRequest) => {
  const [path = "", search = ""] = url.split("?")
  const query = new URLSearchParams(search)
  for (const operation of operations) {
    const match = method === "POST" ? operation.path.exec(path) : null
    if (match !== null) return { operation, vendor: operation.vendor, groups: match.groups ?? {}, query }
  }
  const vendor = "anthropic-version" in headers || path.endsWith("/messages")
    ? anthropic.vendor
    : "x-goog-api-key" in headers || path.includes("/models/")
    ? gemini.vendor
    : OpenAi.vendor
  return { operation: undefined, vendor, groups: {}, query }
}

const requestOf = (vendor: Vendor, { maxTokens, model, prompt, stream, want }: Asked): Simulator.Request => {
  const { messages, outputSchema, toolChoice, tools } = want._tag === "Generation" ? want : nothing
  const toolResults = messages.filter((message) => message.role === "tool")
  return {
    provider: vendor.name,
    model,
    prompt,
    messages,
    tools,
    toolChoice,
    toolResults,
    outputSchema,
    maxTokens,
    stream
  }
}

/** An embedding is asked for without any of these. */
const nothing: Pick<Simulator.Request, "messages" | "outputSchema" | "toolChoice" | "tools"> = {
  messages: [],
  outputSchema: undefined,
  toolChoice: "auto",
  tools: []
}
