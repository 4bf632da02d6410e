/** An MCP server on standard input and output, for tests: it echoes, says who it is and what its environment is, and dies or says nothing when it is asked to. */
import { createInterface } from "node:readline"

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly name?: string; readonly arguments?: Readonly<Record<string, unknown>> }
}

const text = (text: string, isError = false) => ({ content: [{ type: "text", text }], isError })

const tool = (name: string, properties = {}) => ({
  name,
  description: name,
  inputSchema: { type: "object", properties }
})

/** Only of a server that is started with "more". */
const more = process.argv.includes("more") ? [tool("silent"), tool("environment")] : []

const call = ({ arguments: args, name }: NonNullable<Message["params"]>): unknown => {
  if (name === "die") {
    process.stderr.write("out of memory\n")
    process.exit(3)
  }
  if (name === "environment") return text(JSON.stringify(process.env))
  if (name === "pid") return text(String(process.pid))
  return args?.["message"] === undefined ? text("message is missing", true) : text(String(args["message"]))
}

const answer = ({ method, params = {} }: Message): unknown => {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "test", version: "7.0.0" }
      }
    case "tools/list":
      return { tools: [tool("echo", { message: { type: "string" } }), tool("pid"), tool("die"), ...more] }
    case "tools/call":
      return call(params)
    default:
      return {}
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const message: Message = JSON.parse(line)
  if (message.id === undefined || message.params?.name === "silent") return
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: answer(message) })}\n`)
})
