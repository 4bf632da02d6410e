/** The kinds of the options of a provider. What they hold has checks of its own. */
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type { Options } from "./configuration/providerOptions.ts"
import * as Kind from "./util/optionKinds.ts"

const kinds = {
  model: Kind.nonEmptyText,
  apiKey: Kind.given("a credential"),
  baseUrl: Kind.text,
  headers: Kind.recordOf(Kind.text),
  retry: Kind.object,
  circuitBreaker: { is: (u) => u === true || Kind.object.is(u), words: "true, or an object" },
  capabilities: Kind.object,
  transformClient: Kind.fn,
  maxResponseBytes: Kind.given("a number"),
  maxTokens: Kind.given("a number"),
  reasoning: Kind.flag
} satisfies { readonly [Name in keyof Options]-?: Kind.Kind }

export const checkProvider = (
  owner: string,
  options: { readonly model: string }
): Effect.Effect<void, Cause.IllegalArgumentError> =>
  // A missing model is a wrong one.
  Kind.check(owner, { ...options, model: options.model ?? null }, { ...kinds, provider: Kind.text })
