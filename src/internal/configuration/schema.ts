/** The schema of a configuration, version 1: of a model, and of a file of several. Editors show the descriptions of its fields. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { withoutQuery } from "../http/baseUrl.ts"
import { misfitOfBaseUrl } from "../http/request.ts"
import { version } from "./json.ts"
import { variableName } from "../http/credential.ts"
import { find, providers } from "./provider.ts"

const { optionalKey } = Schema

// -----------------------------------------------------------------------------
// Values
// -----------------------------------------------------------------------------

const positive = (description: string) => Schema.Finite.check(Schema.isGreaterThan(0)).annotate({ description })

const positiveInteger = (description: string) => Schema.Int.check(Schema.isGreaterThan(0)).annotate({ description })

const notNegative = (description: string) =>
  Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)).annotate({ description })

const words = Schema.String.check(
  Schema.isPattern(/^\d+(\.\d+)?\s+(nano|micro|milli|second|minute|hour|day|week)s?$/u, {
    expected: `a time, in milliseconds or such as "1 minute"`
  })
)

const timeOf = (description: string, millis: typeof Schema.Finite, words: typeof Schema.String) =>
  Schema.Union([
    millis.pipe(Schema.decodeTo(Schema.Duration, SchemaTransformation.durationFromMillis)),
    words.pipe(Schema.decodeTo(Schema.Duration, SchemaTransformation.durationFromString))
  ]).annotate({ description: `${description} In milliseconds, or such as "1 minute".` })

const time = (description: string) =>
  timeOf(
    description,
    Schema.Finite.check(Schema.isGreaterThan(0)),
    words.check(Schema.isPattern(/^(?!0+(\.0+)?\s)/u, { expected: "a time longer than zero" }))
  )

const timeOrZero = (description: string) =>
  timeOf(description, Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)), words)

// What is no name of a variable may be the secret itself, and is not shown.
const VariableName = Schema.String.annotate({
  message: "Give the name of the environment variable that holds the key"
}).check(
  Schema.isPattern(variableName, {
    message: "Give the name of the environment variable that holds the key, not the key itself"
  })
)

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

const name = Schema.String.annotate({
  description: "The name of the model, in metrics and answers. By default that of the backend."
})

/** The options of a model. */
const options = {
  metadata: optionalKey(Schema.JsonObject.annotate({ description: "Metadata of the model." })),
  limitRequests: optionalKey(
    Schema.Finite.check(Schema.isGreaterThanOrEqualTo(1)).annotate({
      description: "Requests per window. By default no limit."
    })
  ),
  limitTokens: optionalKey(positive("Tokens per window, input and output together. By default no limit.")),
  limitInputTokens: optionalKey(
    positive("Input tokens per window, for providers that count them separately. By default no limit.")
  ),
  limitOutputTokens: optionalKey(
    positive("Output tokens per window, for providers that count them separately. By default no limit.")
  ),
  capacityRefreshTime: optionalKey(
    time("The window: the time in which an empty limit refills. By default 1 minute.")
  ),
  headroom: optionalKey(timeOrZero(
    "Safety margin subtracted from the window, for latency and clock skew, at most a twentieth. By default 150 milliseconds."
  )),
  key: optionalKey(Schema.String.annotate({
    description: "The name under which limits are shared between processes. By default they are not shared."
  })),
  onStoreFailure: optionalKey(
    Schema.Literals(["closed", "local", "open"]).annotate({
      description:
        "While the store of shared limits fails: calls wait (closed), are admitted by a tenth of the limits (local), " +
        "or without limits (open). By default closed."
    })
  ),
  queueCapacity: optionalKey(positiveInteger("Maximum number of queued calls. By default 100.")),
  concurrency: optionalKey(positiveInteger("Maximum number of running calls. By default 100.")),
  onLimit: optionalKey(
    Schema.Literals(["wait", "deny"]).annotate({
      description:
        "A call that cannot start at once waits for its turn (wait), or is denied after maxDenials tries (deny). " +
        "By default wait."
    })
  ),
  maxDenials: optionalKey(positiveInteger("Number of tries with onLimit: deny. By default 3.")),
  onFull: optionalKey(
    Schema.Literals(["suspend", "deny"]).annotate({
      description: "When the queue is full, a submitter waits (suspend), or is denied (deny). By default suspend."
    })
  ),
  expectedOutputTokens: optionalKey(
    notNegative("Output tokens reserved for a call without max_tokens. By default 0.")
  ),
  repair: optionalKey(
    Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).annotate({
      description: "How often an answer that its schema does not decode is asked for again. By default 1."
    })
  ),
  timeout: optionalKey(time("Maximum time from submission to settlement. By default no limit.")),
  queueTimeout: optionalKey(time("Maximum time in the queue. By default no limit.")),
  firstPartTimeout: optionalKey(
    time("Maximum time from the start of a streamed attempt to its first part. By default no limit.")
  ),
  idleTimeout: optionalKey(
    time("Maximum time between two parts of a streamed answer. By default 2 minutes.")
  ),
  priority: optionalKey(
    Schema.Finite.annotate({ description: "Priority of its calls. Lower numbers go first. By default 0." })
  )
}

interface ModelOptions extends Schema.Struct.Type<typeof options> {}

/** A model, without the version, which is stated once. */
export interface Model extends ModelOptions {
  readonly name?: string
  readonly backend: Backend
}

/** A model, or the name of one in the same file. */
export type Member = string | Model

const Member = Schema.Union([
  Schema.String.annotate({ description: "The name of a model in this file." }),
  Schema.suspend((): Schema.Codec<Model, unknown> => Model)
])

// -----------------------------------------------------------------------------
// Backends
// -----------------------------------------------------------------------------

const ProviderBackend = Schema.Struct({
  type: optionalKey(
    Schema.Literal("provider").annotate({
      description: "A model of a provider, which is the default.",
      message: `Expected "provider", "fallback" or "balance"`
    })
  ),
  provider: Schema.String.annotate({
    description: "Who answers. Others, who speak OpenAI's protocol, are reached by a baseUrl.",
    examples: [...providers.keys()]
  }),
  endpoint: Schema.String.annotate({
    description: "Which of its endpoints.",
    examples: [...new Set(Array.from(providers.values(), ({ endpoints }) => [...endpoints.keys()]).flat())]
  }),
  model: Schema.String.annotate({ description: `The model, such as "gpt-4o-mini".` }),
  apiKey: optionalKey(VariableName.annotate({
    description:
      "The name of the environment variable that holds the key. By default the provider's, such as OPENAI_API_KEY; " +
      "none for a provider that is not known."
  })),
  baseUrl: optionalKey(
    Schema.String.annotate({
      description:
        "The address of the provider, without credentials. Parameters of a query are sent with every request. By default its public address."
    }).check(
      Schema.makeFilter((baseUrl) => {
        const misfit = misfitOfBaseUrl(withoutQuery(baseUrl))
        return misfit && `It ${misfit}`
      })
    )
  ),
  retry: optionalKey(
    Schema.Struct({
      times: optionalKey(notNegative("How often, after the first attempt. By default 3.")),
      delay: optionalKey(
        timeOrZero("The rest before the first of them, doubled for each more. By default 500 milliseconds.")
      ),
      maxDelay: optionalKey(timeOrZero("The longest rest. By default 10 minutes."))
    }).annotate({ description: "How a failed attempt is made again. By default three times." })
  ),
  circuitBreaker: optionalKey(
    Schema.Union([
      Schema.Literal(true),
      Schema.Struct({
        failures: optionalKey(positiveInteger("After how many failures in a row. By default 5.")),
        openFor: optionalKey(time("For how long. By default 15 seconds."))
      })
    ]).annotate({
      description: "Leaves the provider alone for a while when it fails again and again. By default never."
    })
  ),
  capabilities: optionalKey(
    Schema.Struct({
      contextWindow: optionalKey(positiveInteger("Context window in tokens.")),
      tools: optionalKey(Schema.Boolean.annotate({ description: "Whether the model takes tools." })),
      images: optionalKey(Schema.Boolean.annotate({ description: "Whether the model takes images." })),
      prefill: optionalKey(
        Schema.Boolean.annotate({ description: "Whether the model goes on with an answer that is begun." })
      )
    }).annotate({
      description: "What the model can do; what it cannot is refused before it is asked. By default, by its name."
    })
  ),
  maxResponseBytes: optionalKey(positiveInteger("The most bytes of a response, as it is unpacked. By default 64 MiB.")),
  maxTokens: optionalKey(
    positiveInteger("Of Anthropic alone: the most tokens of the answer to a call that states none. By default 4096.")
  ),
  reasoning: optionalKey(
    Schema.Boolean.annotate({
      description: "Of chat completions alone: whether the model reasons. By default, by its name."
    })
  )
}).check(
  Schema.makeFilter((backend) => {
    const found = find(backend.provider, backend.endpoint, backend)
    return Result.isFailure(found)
      ? { path: [found.failure.option], issue: `It ${found.failure.description}` }
      : undefined
  })
)

const several = {
  models: Schema.NonEmptyArray(Member).annotate({
    description: "The models, each by its name in this file or as it is."
  }),
  attempts: optionalKey(positiveInteger("How many attempts a call makes at one model. By default 3.")),
  patience: optionalKey(time(
    "The longest rest before another attempt at the same model; for a longer one the next is asked. By default 10 seconds."
  )),
  cooldown: optionalKey(time("How long a model is left alone after it was given up. By default 10 seconds.")),
  answerTimeout: optionalKey(
    time("How long a model has for an answer that does not stream, before the next one is asked. By default 2 minutes.")
  ),
  restart: optionalKey(Schema.Boolean.annotate({
    description:
      "Whether an answer that breaks off in the middle of a stream is begun again by the next model. By default false."
  }))
}

const withoutDuplicates = Schema.makeFilter(({ models }: { readonly models: ReadonlyArray<Member> }) => {
  const i = models.findIndex((member, i) => typeof member === "string" && models.indexOf(member) < i)
  return i === -1 ? undefined : { path: ["models", i], issue: "It is there already" }
})

const FallbackBackend = Schema.Struct({
  type: Schema.Literal("fallback").annotate({
    description: "Several models: the first, and when it fails the next one."
  }),
  ...several
}).check(withoutDuplicates)

const BalanceBackend = Schema.Struct({
  type: Schema.Literal("balance").annotate({ description: "Several models that are equals, and share the load." }),
  ...several,
  strategy: optionalKey(
    Schema.Union([
      Schema.Literals(["capacity", "least-busy"]),
      Schema.Struct({
        weights: Schema.NonEmptyArray(Schema.Finite.check(Schema.isGreaterThan(0))).annotate({
          description: "One for each of the models, in their order."
        })
      })
    ]).annotate({
      description: "Who is asked first: the one with the most left of its limits (capacity), with the fewest calls " +
        "(least-busy), or each in turn, as often as its weight says. By default capacity."
    })
  )
}).check(
  withoutDuplicates,
  Schema.makeFilter(({ models, strategy }) =>
    typeof strategy === "object" && strategy.weights.length !== models.length
      ? { path: ["strategy", "weights"], issue: `Expected as many as there are models, ${models.length}` }
      : undefined
  )
)

// The default comes last: what is wrong with the others is not looked for there.
const Backend = Schema.Union([FallbackBackend, BalanceBackend, ProviderBackend])

export type Backend = typeof Backend.Type

const backend = Backend.annotate({
  identifier: "Backend",
  description: "Who answers.",
  message:
    "Expected one of a provider, a fallback or a balance. What is null was made in code (a tool, a mock, one of your own)"
})

const Model: Schema.Codec<Model, unknown> = Schema.Struct({ backend, name: optionalKey(name), ...options }).annotate({
  identifier: "Model",
  expected: "a model, or the name of one in this file"
})

/** The names of the fields. */
export type ModelFields = keyof Model
export interface BackendFields {
  readonly provider: keyof typeof ProviderBackend.Type
  readonly balance: keyof typeof BalanceBackend.Type
}

// -----------------------------------------------------------------------------
// What is written
// -----------------------------------------------------------------------------

const stated = Schema.Literal(version).annotate({ description: "The version of this form." })

/** One model. */
export const Single = Schema.Struct({ version: stated, backend, name: optionalKey(name), ...options })

/** Several, of which each is named by its key. */
export const File = Schema.Struct({
  $schema: optionalKey(Schema.String.annotate({ description: "Where editors find this form." })),
  version: stated,
  models: Schema.Record(Schema.String, Schema.Struct({ backend, ...options })).annotate({
    description: "The models, by their names."
  })
}).annotate({ description: "Models of effect-imodel." })
