/** What people put between their calls and a provider's limit, each as its documentation says. */
import { NodeHttpClient } from "@effect/platform-node"
import Bottleneck from "bottleneck"
import { Effect, Layer, Redacted } from "effect"
import { iModel, OpenAi, type ServiceBackend } from "effect-imodel"
import { setTimeout as delay } from "node:timers/promises"
import OpenAI, { RateLimitError } from "openai"
import pLimit from "p-limit"
import PQueue from "p-queue"
import { RateLimiterMemory, RateLimiterQueue } from "rate-limiter-flexible"
import type { Call, Job } from "./job.ts"

/** Does the job, and answers how many calls failed for good. */
export type Client = (job: Job) => Promise<number>

export const model = "four-characters-a-token"

/** The server counts four characters a token, and so do all clients. */
export const cost = ({ max_tokens, prompt }: ServiceBackend.Arguments): number =>
  Math.ceil(String(prompt).length / 4) + (max_tokens ?? 0)

/** The library of this repository: both limits, in the order of the calls. */
const imodel: Client = ({ baseUrl, calls, limits }) =>
  iModel.invokeAll(calls.map(({ maxTokens, prompt }) => ({ prompt, max_tokens: maxTokens }))).pipe(
    Effect.map((callings) => callings.filter(({ execution }) => execution.status !== "completed").length),
    Effect.provide(
      iModel.layer({
        limitRequests: limits.requests,
        limitTokens: limits.tokens,
        capacityRefreshTime: limits.windowMillis,
        cost
      }).pipe(
        Layer.provide(OpenAi.layerChat({ model, baseUrl, apiKey: Redacted.make("not-needed") })),
        Layer.provide(NodeHttpClient.layerUndici)
      )
    ),
    Effect.runPromise
  )

/** The algorithm of OpenAI's cookbook, `api_request_parallel_processor.py`: counts both limits, pauses after a 429. */
const cookbook: Client = async ({ baseUrl, calls, limits }) => {
  const ask = asking(baseUrl, { maxRetries: 0 })
  const { windowMillis } = limits
  const pauseMillis = windowMillis / 4 // 15 seconds of a minute
  const left = calls.values()
  const retries: Array<Attempt> = []
  const capacity = { requests: limits.requests, tokens: limits.tokens }
  let updatedAt = performance.now()
  let limitedAt = Number.NEGATIVE_INFINITY
  const count = { unsettled: calls.length, failed: 0 }

  const attempt = async ({ attemptsLeft, call }: Attempt) => {
    try {
      await ask(call)
      count.unsettled--
    } catch (error) {
      if (error instanceof RateLimitError) limitedAt = performance.now()
      if (attemptsLeft > 0) {
        retries.push({ call, attemptsLeft: attemptsLeft - 1 })
      } else {
        count.unsettled--
        count.failed++
      }
    }
  }

  let next: Attempt | undefined
  while (count.unsettled > 0) {
    next ??= retries.shift() ?? firstAttempt(left.next().value)
    const now = performance.now()
    const windows = (now - updatedAt) / windowMillis
    capacity.requests = Math.min(limits.requests, capacity.requests + limits.requests * windows)
    capacity.tokens = Math.min(limits.tokens, capacity.tokens + limits.tokens * windows)
    updatedAt = now
    if (next !== undefined && capacity.requests >= 1 && capacity.tokens >= next.call.cost) {
      capacity.requests -= 1
      capacity.tokens -= next.call.cost
      void attempt(next)
      next = undefined
    }
    await delay(1)
    const pause = limitedAt + pauseMillis - performance.now()
    if (pause > 0) await delay(pause)
  }
  return count.failed
}

/** bottleneck with a reservoir for each limit, refilled as often as it can, one around the other; the SDK retries. */
const bottleneckReservoirs: Client = async ({ baseUrl, calls, limits }) => {
  const ask = asking(baseUrl)
  const reservoir = (limit: number) =>
    new Bottleneck({
      reservoir: limit,
      reservoirIncreaseAmount: (limit * 250) / limits.windowMillis,
      reservoirIncreaseInterval: 250,
      reservoirIncreaseMaximum: limit
    })
  const requests = reservoir(limits.requests)
  const tokens = reservoir(limits.tokens)
  const failed = await failures(
    calls,
    (call) => requests.schedule(() => tokens.schedule({ weight: call.cost }, () => ask(call)))
  )
  await Promise.all([requests.disconnect(), tokens.disconnect()])
  return failed
}

/** bottleneck with requests spaced evenly, which knows nothing of tokens; the SDK retries. */
const bottleneckMinTime: Client = ({ baseUrl, calls, limits }) => {
  const ask = asking(baseUrl)
  const limiter = new Bottleneck({ minTime: limits.windowMillis / limits.requests })
  return failures(calls, (call) => limiter.schedule(() => ask(call)))
}

/** p-queue with so many requests an interval, which knows nothing of tokens; the SDK retries. */
const pQueue: Client = ({ baseUrl, calls, limits }) => {
  const ask = asking(baseUrl)
  const queue = new PQueue({ intervalCap: limits.requests, interval: limits.windowMillis })
  return failures(calls, (call) => queue.add(() => ask(call)))
}

/** rate-limiter-flexible with a queue for each limit, one after the other; the SDK retries. */
const rateLimiterFlexible: Client = ({ baseUrl, calls, limits }) => {
  const ask = asking(baseUrl)
  const queue = (points: number) =>
    new RateLimiterQueue(new RateLimiterMemory({ points, duration: limits.windowMillis / 1000 }))
  const requests = queue(limits.requests)
  const tokens = queue(limits.tokens)
  return failures(calls, async (call) => {
    await requests.removeTokens(1)
    await tokens.removeTokens(call.cost)
    await ask(call)
  })
}

/** No limit but on what runs at once, so many as a window allows; the SDK retries. */
const retriesAlone: Client = ({ baseUrl, calls, limits }) => {
  const ask = asking(baseUrl)
  const limit = pLimit(limits.requests)
  return failures(calls, (call) => limit(() => ask(call)))
}

export const clients: Readonly<Record<string, Client>> = {
  imodel,
  cookbook,
  "bottleneck-reservoirs": bottleneckReservoirs,
  "bottleneck-min-time": bottleneckMinTime,
  "p-queue": pQueue,
  "rate-limiter-flexible": rateLimiterFlexible,
  "sdk-retries": retriesAlone
}

// -----------------------------------------------------------------------------
// What they share
// -----------------------------------------------------------------------------

interface Attempt {
  readonly call: Call
  readonly attemptsLeft: number
}

const firstAttempt = (call: Call | undefined): Attempt | undefined => call && { call, attemptsLeft: 4 }

/** A call by OpenAI's own SDK, which retries twice if not told otherwise. */
const asking = (baseURL: string, options?: { readonly maxRetries: number }) => {
  const openai = new OpenAI({ baseURL, apiKey: "not-needed", ...options })
  return ({ maxTokens, prompt }: Call) =>
    openai.chat.completions.create({ model, messages: [{ role: "user", content: prompt }], max_tokens: maxTokens })
}

const failures = async (calls: ReadonlyArray<Call>, run: (call: Call) => Promise<unknown>) => {
  const outcomes = await Promise.allSettled(calls.map(run))
  return outcomes.filter(({ status }) => status === "rejected").length
}
