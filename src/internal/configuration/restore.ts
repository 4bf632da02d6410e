/** Makes a model of what was read. What goes wrong is told by the field that it came of. */
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import type { ConfigurationError } from "../../Errors.ts"
import type { Model } from "../../Model.ts"
import * as Provider from "../../providers/Provider.ts"
import * as Route from "../../Route.ts"
import { type Backend, ServiceBackend } from "../../ServiceBackend.ts"
import { withoutQuery } from "../http/baseUrl.ts"
import { misfitOfBaseUrl } from "../http/request.ts"
import { deepestIssue } from "../util/schemaIssue.ts"
import { make } from "../model.ts"
import { providers } from "./provider.ts"
import { type Path, refused } from "./read.ts"
import type * as Configuration from "./schema.ts"

type Failure = ConfigurationError | RateLimiter.RateLimiterError

type Services = HttpClient.HttpClient | Scope.Scope

/** What makes a model. */
export type Making = Effect.Effect<Model, Failure, Services>

/** Those that can be named. */
type Named = ReadonlyMap<string, Making>

export const restore = Effect.fnUntraced(function*(
  { backend, ...options }: Configuration.Model,
  path: Path,
  named: Named
): Effect.fn.Return<Model, Failure, Services> {
  const made = yield* restoreBackend(backend, [...path, "backend"], named)
  return yield* Effect.catchTag(make(made, options), "IllegalArgumentError", ({ message }) => refused(path, message))
})

const restoreBackend = Effect.fnUntraced(function*(
  backend: Configuration.Backend,
  path: Path,
  named: Named
): Effect.fn.Return<Backend, Failure, Services> {
  switch (backend.type) {
    case "fallback": {
      const { models: members, type: _type, ...options } = backend
      const models = yield* restoreMembers(members, path, named)
      return yield* saying(path, Route.fallback(models, options))
    }
    case "balance": {
      const { models: members, type: _type, ...options } = backend
      const models = yield* restoreMembers(members, path, named)
      return yield* saying(path, Route.balance(models, options))
    }
    default: {
      const { endpoint, provider, type: _type, ...options } = backend
      const address = providers.get(provider)?.baseUrl
      if (options.baseUrl === undefined && address !== undefined) {
        const at = [...path, "baseUrl"]
        const misfit = misfitOfBaseUrl(withoutQuery(yield* saying(at, address)))
        if (misfit !== undefined) return yield* refused(at, `The one in the environment ${misfit}`)
      }
      // The values and the address have been checked: the key is what is left.
      const context = yield* saying([...path, "apiKey"], Layer.build(Provider.layer(provider, endpoint, options)))
      return Context.get(context, ServiceBackend)
    }
  }
})

const restoreMembers = (
  members: Arr.NonEmptyReadonlyArray<Configuration.Member>,
  path: Path,
  named: Named
) =>
  Effect.forEach(members, (member, i) => {
    const at = [...path, "models", i]
    return typeof member === "string"
      ? named.get(member) ?? refused(at, "There is no such model")
      : restore(member, at, named)
  })

const saying = <A, R>(
  path: Path,
  effect: Effect.Effect<A, Config.ConfigError | Cause.IllegalArgumentError, R>
): Effect.Effect<A, ConfigurationError, R> =>
  Effect.mapError(effect, (error) =>
    refused(
      path,
      error._tag === "ConfigError" && error.cause._tag === "SchemaError"
        ? `There is no ${deepestIssue(error.cause).keys.map(String).join(".")} in the environment, or it is empty`
        : error._tag === "ConfigError"
        ? error.cause.message
        : error.message
    ))
