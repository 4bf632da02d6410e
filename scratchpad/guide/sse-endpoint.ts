/**
 * An endpoint that streams answers as server-sent events, with a budget for each tenant, over two providers.
 *
 *     npm run guide -- sse-endpoint
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, RcMap, Redacted, Stream } from "effect"
import { Sse } from "effect/encoding"
import { HttpBody, HttpClient, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Anthropic, Hook, iModel, OpenAi, Simulator } from "effect-imodel"

const apiKey = Redacted.make("not-needed")

const event = (event: string, data: string): Sse.Event => ({ _tag: "Event", id: undefined, event, data })

const chat = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o", apiKey }), { limitRequests: 500 })
  const claude = yield* iModel.make(yield* Anthropic.makeMessages({ model: "claude-sonnet-4-5", apiKey }))

  // The tenants share the models and their limits. Each has a budget of its own.
  const tenants = yield* RcMap.make({
    lookup: (_tenant: string) => iModel.fallback([gpt, claude], { hooks: [Hook.budget({ tokens: 70, per: "1 day" })] }),
    idleTimeToLive: "1 day"
  })

  yield* router.add(
    "POST",
    "/chat",
    Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const prompt = yield* request.text
      const model = yield* RcMap.get(tenants, request.headers["x-tenant"] ?? "anonymous")
      // A client that goes away interrupts its stream, and the call down to the provider.
      const events = model.stream({ prompt, max_tokens: 60 }, { timeout: "1 minute" }).pipe(
        Stream.filter((part) => part.type === "text-delta"),
        Stream.map(({ delta }) => event("text", delta)),
        Stream.concat(Stream.make(event("end", ""))),
        Stream.catch((error) => Stream.make(event("error", error.message))),
        Stream.pipeThroughChannel(Sse.encode()),
        Stream.encodeText
      )
      return HttpServerResponse.stream(events, { contentType: "text/event-stream" })
    })
  )
}))

const client = Effect.forEach(
  ["acme", "acme", "globex"],
  Effect.fnUntraced(function*(tenant) {
    const body = HttpBody.text("Tell a story.")
    const response = yield* HttpClient.post("/chat", { headers: { "x-tenant": tenant }, body })
    yield* Console.log(`${tenant}\n${yield* response.text}`)
  })
)

const server = HttpRouter.serve(chat, { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provide(Simulator.layerHttpClient({
    answer: () => "It was night.",
    faults: ({ model }) => model === "gpt-4o" ? Simulator.Fault.ServerError() : undefined
  })),
  Layer.provideMerge(NodeHttpServer.layerTest) // `Layer.launch` of this on a port is the whole program
)

client.pipe(Effect.provide(server), NodeRuntime.runMain)
