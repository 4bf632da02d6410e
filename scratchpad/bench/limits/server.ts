/**
 * A strict provider in a process of its own: OpenAI's chat wire, and a limit that is kept to the microsecond.
 *
 * It takes a request and its tokens together or answers 429. Its parent talks to it by messages: limits start a new
 * count, anything else asks how it stands; both are answered with a `Report`.
 */
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http"
import { setTimeout as delay } from "node:timers/promises"
import { type Buckets, type Kind, type Lack, makeBuckets } from "./buckets.ts"
import { latency, seeded } from "./job.ts"
import type { Limits } from "./buckets.ts"

export type Question = { readonly limits: Limits } | "report"

/** A request that was answered with 429: it came too early, by the clock of the server. */
export interface Rejection {
  readonly kind: Kind
  readonly earlyMillis: number
  /** Since the first admission. */
  readonly atMillis: number
}

export interface Report {
  readonly baseUrl: string
  readonly requests: number
  readonly admitted: number
  readonly tokens: number
  readonly rejections: ReadonlyArray<Rejection>
  /** Of the clock of the server, whose zero is its start. */
  readonly firstAdmission: number
  readonly lastAdmission: number
}

interface Count {
  readonly limits: Limits
  readonly buckets: Buckets
  readonly random: () => number
  requests: number
  admitted: number
  tokens: number
  firstAdmission: number
  lastAdmission: number
  readonly rejections: Array<Rejection>
}

const begin = (limits: Limits): Count => ({
  limits,
  buckets: makeBuckets(limits, performance.now()),
  random: seeded(7),
  requests: 0,
  admitted: 0,
  tokens: 0,
  firstAdmission: 0,
  lastAdmission: 0,
  rejections: []
})

let count = begin({ requests: 1, tokens: 1, windowMillis: 1 })

// -----------------------------------------------------------------------------
// The wire
// -----------------------------------------------------------------------------

interface ChatBody {
  readonly model: string
  readonly messages: ReadonlyArray<{ readonly content: string }>
  readonly max_tokens: number
}

const chat = async (request: IncomingMessage, response: ServerResponse) => {
  const { max_tokens, messages, model }: ChatBody = JSON.parse(await textOf(request))
  const now = performance.now()
  const promptTokens = Math.ceil(messages.reduce((sum, { content }) => sum + content.length, 0) / 4)
  const cost = promptTokens + max_tokens
  const id = ++count.requests

  const lack = count.buckets.lacking(now, cost)
  if (lack !== undefined) {
    count.rejections.push({ kind: lack.kind, earlyMillis: lack.millis, atMillis: now - count.firstAdmission })
    return reply(response, 429, { ...limitHeaders(now), ...retryHeaders(lack) }, {
      error: { message: refusal(model, lack, now, cost), type: lack.kind, param: null, code: "rate_limit_exceeded" }
    })
  }

  count.buckets.take(now, cost)
  if (count.admitted++ === 0) count.firstAdmission = now
  count.lastAdmission = now
  count.tokens += cost
  const headers = limitHeaders(now)
  await delay(latency.least + count.random() * (latency.most - latency.least))
  // Most answers are shorter than they may be. The limit is charged with what was asked for all the same.
  const completionTokens = Math.ceil(max_tokens / 2)
  reply(response, 200, headers, {
    id: `chatcmpl-${id}`,
    object: "chat.completion",
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [{
      index: 0,
      message: { role: "assistant", content: "It is known.", refusal: null, annotations: [] },
      logprobs: null,
      finish_reason: "stop"
    }],
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens
    }
  })
}

const textOf = async (request: IncomingMessage) => {
  let text = ""
  for await (const chunk of request.setEncoding("utf8")) text += chunk
  return text
}

const reply = (response: ServerResponse, status: number, headers: OutgoingHttpHeaders, body: object) => {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "x-request-id": `req_${count.requests}`,
    ...headers
  })
  response.end(text)
}

const limitHeaders = (now: number): OutgoingHttpHeaders => {
  const headers: OutgoingHttpHeaders = {}
  for (const kind of ["requests", "tokens"] as const) {
    const level = count.buckets.level(now, kind)
    const limit = count.limits[kind]
    headers[`x-ratelimit-limit-${kind}`] = limit
    headers[`x-ratelimit-remaining-${kind}`] = Math.floor(level)
    headers[`x-ratelimit-reset-${kind}`] = formatReset(((limit - level) / limit) * count.limits.windowMillis)
  }
  return headers
}

const retryHeaders = ({ millis }: Lack): OutgoingHttpHeaders => ({
  "retry-after": String(Math.ceil(millis / 1000)),
  "retry-after-ms": Math.ceil(millis)
})

const refusal = (model: string, { kind, millis }: Lack, now: number, cost: number) => {
  const limit = count.limits[kind]
  const used = limit - Math.floor(count.buckets.level(now, kind))
  return `Rate limit reached for ${model} on ${kind}: Limit ${limit}, Used ${used}, ` +
    `Requested ${kind === "tokens" ? cost : 1}. Please try again in ${formatReset(millis)}.`
}

/** As OpenAI writes it: `120ms`, `1.5s`, `6m0s`. */
const formatReset = (millis: number) => {
  const whole = Math.ceil(millis)
  if (whole < 1_000) return `${whole}ms`
  return whole < 60_000
    ? `${whole / 1000}s`
    : `${Math.floor(whole / 60_000)}m${Math.ceil((whole % 60_000) / 1000)}s`
}

// -----------------------------------------------------------------------------
// The process
// -----------------------------------------------------------------------------

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  chat(request, response).catch((error: unknown) => {
    console.error(error)
    response.destroy()
  })
})

const report = (): Report => {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the server does not listen")
  const { admitted, firstAdmission, lastAdmission, rejections, requests, tokens } = count
  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    requests,
    admitted,
    tokens,
    rejections,
    firstAdmission,
    lastAdmission
  }
}

const answer = (question: Question) => {
  if (question !== "report") count = begin(question.limits)
  process.send?.(report())
}

server.listen(0, "127.0.0.1", () => {
  process.on("message", answer)
  process.on("disconnect", () => process.exit())
  process.send?.(report())
})
