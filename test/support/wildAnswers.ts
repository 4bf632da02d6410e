/** What an application sees of an answer that a provider really sent, whole or streamed. */
import { Effect } from "effect"
import { HttpClient } from "effect/http"
import { type Calling, iModel, type ServiceBackend } from "effect-imodel"
import * as Streams from "./streams.ts"

export interface Outcome {
  readonly text: string
  readonly reasoning: string
  readonly calls: ReadonlyArray<readonly [name: string, params: unknown]>
  readonly ids: ReadonlyArray<string>
  readonly finish: string | undefined
  readonly usage: readonly [input: number | undefined, output: number | undefined]
  readonly notes: unknown
}

/** Makes what asks a backend whose provider answers with a body, or with events. */
export const asking = <Args, Data, E>(
  backend: Effect.Effect<ServiceBackend.Backend<Args, Data>, E, HttpClient.HttpClient>
) => {
  const ask = (args: Args, bytes: Uint8Array, contentType: string) =>
    Effect.scoped(Effect.gen(function*() {
      const model = yield* iModel.make(yield* backend)
      return yield* Streams.streamed(model, args)
    })).pipe(
      Effect.provideService(HttpClient.HttpClient, Streams.answering([bytes], contentType))
    )
  const whole = (args: Args, body: unknown) =>
    Effect.map(
      ask(args, new TextEncoder().encode(JSON.stringify(body)), "application/json"),
      ({ response }) => outcomeOf(response.content, response.metadata)
    )
  const stream = (args: Args, events: ReadonlyArray<object>) =>
    Effect.map(
      ask(args, Streams.bytesOf(...events), "text/event-stream"),
      ({ parts, response }) => outcomeOf(Streams.folded(parts), response.metadata)
    )
  /** A stream whose body is this text. */
  const raw = (args: Args, text: string, contentType: string) =>
    Effect.map(
      ask(args, new TextEncoder().encode(text), contentType),
      ({ parts, response }) => outcomeOf(Streams.folded(parts), response.metadata)
    )
  return { whole, stream, raw }
}

const outcomeOf = (content: ReadonlyArray<Calling.Part>, metadata: Readonly<Record<string, unknown>>): Outcome => {
  const finish = content.find((part) => part.type === "finish")
  const calls = content.filter((part) => part.type === "tool-call")
  return {
    text: content.map((part) => part.type === "text" ? part.text : "").join(""),
    reasoning: content.map((part) => part.type === "reasoning" ? part.text : "").join(""),
    calls: calls.map(({ name, params }) => [name, params]),
    ids: calls.map(({ id }) => id),
    finish: finish?.reason,
    usage: [finish?.usage.inputTokens.total, finish?.usage.outputTokens.total],
    notes: metadata["imodel"]
  }
}
