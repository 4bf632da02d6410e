/** Wrong options, as a program without types gives them, are refused by name. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Redacted, type Scope, Struct } from "effect"
import * as Library from "effect-imodel"
import { platform } from "./support/chatWires.ts"

/** The library as it is to a program without types. */
type Untyped = Record<
  string,
  Record<string, (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, Library.iModel.OptionsError>>
>
const isUntyped = (_library: object): _library is Untyped => true
const library: Untyped = isUntyped(Library) ? Library : {}

type Maker = (
  option: Readonly<Record<string, unknown>>
) => Effect.Effect<unknown, Library.iModel.OptionsError, Scope.Scope>

const call = (module: string, name: string, ...args: ReadonlyArray<unknown>) =>
  (library[module]?.[name] ?? assert.fail(`there is no ${module}.${name}`))(...args)

const mock = Effect.map(Library.ServiceBackend.makeMock(() => Effect.succeed("blue")), ({ backend }) => backend)
const withModel = (use: (model: unknown) => Effect.Effect<unknown, Library.iModel.OptionsError>) =>
  Effect.flatMap(Effect.flatMap(mock, (backend) => Library.iModel.make(backend)), use)
const ofProvider = (module: string, name: string): Maker => (option) =>
  call(module, name, { model: "m", apiKey: Redacted.make("sk-0123456789"), ...option })

const makers = {
  "iModel.make": (option) => Effect.flatMap(mock, (backend) => call("iModel", "make", backend, option)),
  "Executor.make": (option) => call("Executor", "make", option),
  "Hook.make": (option) =>
    Effect.flatMap(mock, (backend) => call("iModel", "make", backend, { hooks: [call("Hook", "make", option)] })),
  "Route.fallback": (option) => withModel((model) => call("Route", "fallback", [model], option)),
  "Route.balance": (option) => withModel((model) => call("Route", "balance", [model], option)),
  "iModel.vote": (option) => withModel((model) => call("iModel", "vote", [model], option)),
  "OpenAi.makeChat": ofProvider("OpenAi", "makeChat"),
  "OpenAi.makeEmbeddings": ofProvider("OpenAi", "makeEmbeddings"),
  "Anthropic.makeMessages": ofProvider("Anthropic", "makeMessages"),
  "Gemini.makeGenerateContent": ofProvider("Gemini", "makeGenerateContent")
} satisfies Record<string, Maker>

const provider = {
  model: [1, null, undefined, ""],
  baseUrl: [1, {}, null],
  headers: [1, "x", null, { a: 1 }],
  retry: [1, null, { times: "x" }, { while: 1 }],
  circuitBreaker: [1, "x", null],
  transformClient: [1, null],
  modle: ["m"]
}
const route = { attempts: ["x", null], patience: ["x", null], cooldown: [-1, null], restart: ["x", 1], attempt: [1] }
const executor = {
  concurrency: ["10", 0, null],
  queueCapacity: ["x", null],
  onLimit: ["x", null],
  onFull: [1, null],
  onStoreFailure: ["x"],
  maxDenials: [0, null],
  key: [1]
}

const wrong: { readonly [Name in keyof typeof makers]: Readonly<Record<string, ReadonlyArray<unknown>>> } = {
  "iModel.make": {
    ...executor,
    limitRequests: ["500", 0, NaN, null, {}],
    limitTokens: ["x", -1],
    capacityRefreshTime: ["x", 0, null],
    timeout: ["soon", -1, null],
    priority: ["high", NaN, {}],
    cost: [1],
    repair: [-1, 0.5, "x"],
    executor: [1, {}],
    rateLimiter: [1, {}, null],
    hooks: [1, {}, [1], [null]],
    name: [1],
    metadata: ["x"],
    limitRequest: [1]
  },
  "Executor.make": { ...executor, requests: [1, "x", null], limitRequests: [1] },
  "Hook.make": { preInvocation: [1], postInvocation: ["x"], onError: [{}], onPart: [1], timeout: ["x", 0], exit: [1] },
  "Route.fallback": { ...route, answerTimeout: ["x"] },
  "Route.balance": { ...route, strategy: ["x", 1] },
  "iModel.vote": { key: [1] },
  "OpenAi.makeChat": { ...provider, capabilities: [1], reasoning: ["yes"], provider: ["nobody"] },
  "OpenAi.makeEmbeddings": provider,
  "Anthropic.makeMessages": { ...provider, maxTokens: ["x", 0] },
  "Gemini.makeGenerateContent": provider
}

const refusal = (effect: () => Effect.Effect<unknown, Library.iModel.OptionsError, Scope.Scope>) =>
  Effect.map(Effect.exit(Effect.scoped(Effect.suspend(effect))), (exit) => {
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    return { error, isDefect: Exit.isFailure(exit) && Cause.hasDies(exit.cause) }
  })

const cases = Struct.keys(makers)

describe("an option of the wrong kind", () => {
  it.effect.each(cases)("of %s is refused by its name", (name) =>
    Effect.gen(function*() {
      const make: Maker = makers[name]
      for (const [option, values] of Object.entries(wrong[name])) {
        for (const value of values) {
          const { error, isDefect } = yield* refusal(() => make({ [option]: value }))
          const given = `${name}: ${option} = ${typeof value === "string" ? `"${value}"` : String(value)}`
          assert.isTrue(Cause.isIllegalArgumentError(error) && !isDefect, `${given} is ${String(error)}`)
          assert.include(String(error), option, given)
        }
      }
    }).pipe(Effect.provide(platform)))

  it.effect.each(["fallback", "balance", "race", "vote"])(
    "of iModel.%s is refused where it is no list of models",
    (name) =>
      Effect.gen(function*() {
        for (const models of [[], null, 1, [1], [null], {}]) {
          const { error, isDefect } = yield* refusal(() => call("iModel", name, models))
          assert.isTrue(Cause.isIllegalArgumentError(error) && !isDefect, String(error))
          assert.match(String(error), /array of at least one model/)
        }
      })
  )

  it.effect("is refused with the name that was meant", () =>
    Effect.gen(function*() {
      const { error } = yield* refusal(() => makers["iModel.make"]({ limitRequest: 1 }))
      assert.match(String(error), /"limitRequest"\. Did you mean limitRequests/)
    }))
})
