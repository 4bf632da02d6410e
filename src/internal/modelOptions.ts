/** The kinds of the options of a model. Numbers and durations have checks of their own. */
import type { Options } from "../Model.ts"
import { TypeId as BucketTypeId } from "../TokenBucket.ts"
import { TypeId as ExecutorTypeId } from "./executor/options.ts"
import { TypeId as HookTypeId } from "./hooks/hook.ts"
import * as Kind from "./util/optionKinds.ts"

export const modelKinds = {
  name: Kind.text,
  metadata: Kind.object,
  limitRequests: Kind.given("a number"),
  limitTokens: Kind.given("a number"),
  limitInputTokens: Kind.given("a number"),
  limitOutputTokens: Kind.given("a number"),
  capacityRefreshTime: Kind.given("a duration"),
  headroom: Kind.given("a duration"),
  key: Kind.text,
  onStoreFailure: Kind.oneOf("closed", "local", "open"),
  queueCapacity: Kind.given("a number"),
  concurrency: Kind.given("a number"),
  onLimit: Kind.oneOf("wait", "deny"),
  maxDenials: Kind.positiveInteger,
  onFull: Kind.oneOf("suspend", "deny"),
  expectedOutputTokens: Kind.given("a number"),
  repair: Kind.given("a number"),
  timeout: Kind.given("a duration"),
  queueTimeout: Kind.given("a duration"),
  firstPartTimeout: Kind.given("a duration"),
  idleTimeout: Kind.given("a duration"),
  priority: Kind.number,
  cost: Kind.fn,
  executor: Kind.branded(ExecutorTypeId, "an Executor"),
  rateLimiter: Kind.branded(BucketTypeId, "a TokenBucket"),
  hooks: Kind.listOf(HookTypeId, "an array of hooks, such as [hook]")
} satisfies { readonly [Name in keyof Options]: Kind.Kind }
