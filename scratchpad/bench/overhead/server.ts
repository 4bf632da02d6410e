/** OpenAI's chat wire without a delay, in a process of its own. A prompt of `hold` is answered when its parent says so. */
import { createServer } from "node:http"
import { chunks } from "./job.ts"

const answer = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "gpt-4o-mini",
  choices: [{
    index: 0,
    message: { role: "assistant", content: "word ".repeat(20), refusal: null },
    finish_reason: "stop"
  }],
  usage: { prompt_tokens: 200, completion_tokens: 20, total_tokens: 220 }
})

const chunk = (delta: object, finish_reason: string | null, rest?: object) =>
  `data: ${
    JSON.stringify({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: "gpt-4o-mini",
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...rest
    })
  }\n\n`

const events = [
  chunk({ role: "assistant", content: "" }, null),
  ...Array.from({ length: chunks }, (_, i) => chunk({ content: `word ${i} ` }, null)),
  chunk({}, "stop"),
  chunk({}, null, {
    choices: [],
    usage: { prompt_tokens: 200, completion_tokens: chunks, total_tokens: 200 + chunks }
  }),
  "data: [DONE]\n\n"
]

const held = new Set<() => void>()

const server = createServer((request, response) => {
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => {
    const body = Buffer.concat(parts).toString()
    if (body.includes(`"stream":true`)) {
      response.writeHead(200, { "content-type": "text/event-stream" })
      let next = 0
      // Each event in a packet of its own, as fast as they are taken.
      const write = () => {
        const event = events[next++]
        if (event === undefined) return void response.end()
        if (response.write(event)) setImmediate(write)
        else response.once("drain", write)
      }
      return write()
    }
    const reply = () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(answer) })
      response.end(answer)
    }
    if (body.includes(`"hold"`)) held.add(reply)
    else reply()
  })
})

server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (address !== null && typeof address === "object") {
    process.send?.({ baseUrl: `http://127.0.0.1:${address.port}/v1` })
  }
})
process.on("message", (message) => {
  if (message === "held") return void process.send?.({ held: held.size })
  for (const reply of held) reply()
  held.clear()
})
process.on("disconnect", () => process.exit())
