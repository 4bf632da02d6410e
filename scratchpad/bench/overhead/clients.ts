/** What people call a model with, each as its documentation says. */
import { createOpenAI } from "@ai-sdk/openai"
import { NodeHttpClient } from "@effect/platform-node"
import { generateText, streamText } from "ai"
import { Effect, Layer, ManagedRuntime, Redacted, Stream } from "effect"
import { Sse } from "effect/encoding"
import { HttpClient, HttpClientRequest } from "effect/http"
import { iModel, OpenAi } from "effect-imodel"
import OpenAI from "openai"
import { Agent, request } from "undici"

export interface Client {
  /** One call; answers with its text. */
  readonly call: (prompt: string) => Promise<string>
  /** One stream; answers with its text. */
  readonly stream: (prompt: string) => Promise<string>
}

const model = "gpt-4o-mini"
const bodyOf = (prompt: string) => ({ model, messages: [{ role: "user" as const, content: prompt }] })
const streamBodyOf = (prompt: string) => ({
  ...bodyOf(prompt),
  stream: true as const,
  stream_options: { include_usage: true }
})

interface Chunk {
  readonly choices: ReadonlyArray<{ readonly delta: { readonly content?: string } }>
}

const textOf = (chunk: Chunk): string => chunk.choices[0]?.delta.content ?? ""

/** The least that reading events takes. */
const reading = () => {
  const decoder = new TextDecoder()
  let rest = ""
  let text = ""
  return {
    push: (bytes: Uint8Array) => {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n\n")
      rest = lines.pop() ?? ""
      for (const line of lines) if (line !== "data: [DONE]") text += textOf(JSON.parse(line.slice(6)))
    },
    text: () => text
  }
}

const headers = { "content-type": "application/json", authorization: "Bearer no-key" }

const rawFetch = (baseUrl: string): Client => ({
  call: async (prompt) => {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: "POST",
      headers,
      body: JSON.stringify(bodyOf(prompt))
    })
    const answer: { choices: Array<{ message: { content: string } }> } = JSON.parse(await response.text())
    return answer.choices[0]?.message.content ?? ""
  },
  stream: async (prompt) => {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: "POST",
      headers,
      body: JSON.stringify(streamBodyOf(prompt))
    })
    const events = reading()
    for await (const bytes of response.body ?? []) events.push(bytes)
    return events.text()
  }
})

const undici = (baseUrl: string): Client => {
  const dispatcher = new Agent()
  const ask = (body: object) =>
    request(`${baseUrl}/chat/completions`, { method: "POST", headers, body: JSON.stringify(body), dispatcher })
  return {
    call: async (prompt) => {
      const { body } = await ask(bodyOf(prompt))
      const answer: { choices: Array<{ message: { content: string } }> } = JSON.parse(await body.text())
      return answer.choices[0]?.message.content ?? ""
    },
    stream: async (prompt) => {
      const { body } = await ask(streamBodyOf(prompt))
      const events = reading()
      for await (const bytes of body) events.push(bytes)
      return events.text()
    }
  }
}

const effectClient = (baseUrl: string): Client => {
  const runtime = ManagedRuntime.make(NodeHttpClient.layerUndici)
  const ask = (body: object) =>
    HttpClient.execute(
      HttpClientRequest.post(`${baseUrl}/chat/completions`).pipe(
        HttpClientRequest.setHeaders(headers),
        HttpClientRequest.bodyJsonUnsafe(body)
      )
    ).pipe(Effect.provideService(HttpClient.TracerDisabledWhen, () => true))
  return {
    call: (prompt) =>
      runtime.runPromise(
        Effect.map(Effect.flatMap(ask(bodyOf(prompt)), (response) => response.text), (text) => {
          const answer: { choices: Array<{ message: { content: string } }> } = JSON.parse(text)
          return answer.choices[0]?.message.content ?? ""
        })
      ),
    stream: (prompt) =>
      runtime.runPromise(Effect.gen(function*() {
        const response = yield* ask(streamBodyOf(prompt))
        let text = ""
        yield* response.stream.pipe(
          Stream.decodeText(),
          Stream.pipeThroughChannel(Sse.decode()),
          Stream.runForEach(({ data }) =>
            Effect.sync(() => {
              if (data !== "[DONE]") text += textOf(JSON.parse(data))
            })
          )
        )
        return text
      }))
  }
}

/** The library of this repository, with both limits on. */
const imodel = (baseUrl: string): Client => {
  const runtime = ManagedRuntime.make(
    iModel.layer({ limitRequests: 100_000_000, limitTokens: 100_000_000_000, concurrency: 20_000 }).pipe(
      Layer.provide(
        OpenAi.layerChat({ model: "a-model-without-a-tokenizer", baseUrl, apiKey: Redacted.make("not-needed") })
      ),
      Layer.provide(NodeHttpClient.layerUndici)
    )
  )
  return {
    call: (prompt) => runtime.runPromise(Effect.map(iModel.respond({ prompt }), (response) => response.text)),
    stream: (prompt) =>
      runtime.runPromise(
        Stream.runFold(
          iModel.stream({ prompt }),
          () => "",
          (text, part) => part.type === "text-delta" ? text + part.delta : text
        )
      )
  }
}

const openai = (baseUrl: string): Client => {
  const client = new OpenAI({ baseURL: baseUrl, apiKey: "no-key" })
  return {
    call: async (prompt) => (await client.chat.completions.create(bodyOf(prompt))).choices[0]?.message.content ?? "",
    stream: async (prompt) => {
      let text = ""
      for await (const chunk of await client.chat.completions.create(streamBodyOf(prompt))) {
        text += chunk.choices[0]?.delta.content ?? ""
      }
      return text
    }
  }
}

const ai = (baseUrl: string): Client => {
  const provider = createOpenAI({ baseURL: baseUrl, apiKey: "no-key" }).chat(model)
  return {
    call: async (prompt) => (await generateText({ model: provider, prompt })).text,
    stream: async (prompt) => {
      let text = ""
      for await (const delta of streamText({ model: provider, prompt }).textStream) text += delta
      return text
    }
  }
}

export const clients: Readonly<Record<string, (baseUrl: string) => Client>> = {
  fetch: rawFetch,
  "undici request": undici,
  "Effect HttpClient on undici": effectClient,
  "effect-imodel on undici": imodel,
  "openai SDK": openai,
  "ai SDK": ai
}
