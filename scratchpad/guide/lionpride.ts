/**
 * Coming from lionpride, the Python library: its service layer, call by call.
 *
 *     npm run guide -- lionpride
 *
 * | lionpride                                            | here                                                       |
 * | ---------------------------------------------------- | ---------------------------------------------------------- |
 * | `iModel(provider="openai", endpoint=…)`              | `iModel.layer()` over `OpenAi.layerChat`, or `Provider.layer("openai", "chat", …)` |
 * | `limit_requests`, `limit_tokens`, `capacity_refresh_time=60` | `limitRequests`, `limitTokens`, `capacityRefreshTime: "1 minute"` |
 * | `await model.invoke(messages=[…])`                   | `yield* iModel.invoke({ messages: […] })`                  |
 * | `invoke(calling=…)`, `create_calling(…)`             | `iModel.invoke(calling)`, `iModel.createCalling(…)`        |
 * | `poll_timeout` (10 s), `poll_interval`               | `timeout` (none unless stated); nothing polls              |
 * | `invoke_stream`, which passes by the executor        | `iModel.stream`, which passes all limits                   |
 * | `calling.execution.status`, `calling.response.data`  | the same; `response` is an Effect that answers or fails    |
 * | `RuntimeError` after three denials                   | `PermissionDenied` (`onLimit: "deny"`, `maxDenials`)       |
 * | `HookRegistry`, `HookPhase.PreInvocation`            | `Hook.make({ preInvocation })` in `hooks`                  |
 * | `Endpoint(retry_config=…, circuit_breaker=…)`        | `retry`, `circuitBreaker` of each provider                 |
 * | `Tool(func_callable=…)`                              | `ToolBackend.make(tool, handler)`                          |
 * | `ServiceRegistry`, `register_mcp_server`, `load_mcp_config` | `ServiceRegistry`, `registerMcp`, `loadMcpConfig`   |
 * | `to_dict`, `from_dict`                               | `iModel.toJson`, `iModel.layerFromJson`                    |
 * | `provider_metadata["session_id"]`                    | `model.providerMetadata`, a `SubscriptionRef`              |
 */
import { NodeRuntime } from "@effect/platform-node"
import { ConfigProvider, Console, Effect, Layer } from "effect"
import { Hook, iModel, Provider, Simulator } from "effect-imodel"

// model = iModel(provider="openai", endpoint="chat", model="gpt-4o-mini", api_key="OPENAI_API_KEY",
//                limit_requests=50, limit_tokens=100_000, capacity_refresh_time=60, hook_registry=hooks)
const model = iModel.layer({
  limitRequests: 50,
  limitTokens: 100_000,
  capacityRefreshTime: "1 minute",
  timeout: "3 minutes",
  hooks: [Hook.make({ postInvocation: (_calling, exit) => Console.log(`hook: ${exit._tag}`) })]
}).pipe(Layer.provide(Provider.layer("openai", "chat", { model: "gpt-4o-mini", apiKey: "OPENAI_API_KEY" })))

const program = Effect.gen(function*() {
  // calling = await model.invoke(messages=[{"role": "user", "content": "Hello!"}])
  const calling = yield* iModel.invoke({ messages: [{ role: "user", content: "Hello!" }] })
  const response = yield* calling.response
  yield* Console.log(calling.execution.status, response.text)

  // results = await asyncio.gather(*[model.invoke(…) for i in range(5)])
  const callings = yield* iModel.invokeAll(Array.from({ length: 5 }, (_, i) => ({ prompt: `Task ${i}` })))
  yield* Console.log(callings.length)

  // config = model.to_dict(); iModel.from_dict(config)
  const { hooks: _, ...config } = iModel.toJson(yield* iModel.iModel) // hooks are code and no data
  const { text } = yield* Effect.provide(iModel.respond({ prompt: "Hello again!" }), iModel.layerFromJson(config))
  yield* Console.log(text)
})

const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({ OPENAI_API_KEY: "not-needed" }))
const simulator = Layer.mergeAll(Simulator.layerHttpClient({ answer: () => "Hi!" }), environment)

program.pipe(Effect.provide(Layer.provideMerge(model, simulator)), NodeRuntime.runMain)
