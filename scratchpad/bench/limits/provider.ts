/** The server, as its parent sees it. */
import { fork } from "node:child_process"
import { once } from "node:events"
import type { Limits } from "./buckets.ts"
import type { Question, Report } from "./server.ts"

export interface Provider {
  /** Forgets what was counted, and fills the buckets. */
  readonly reset: (limits: Limits) => Promise<Report>
  readonly report: () => Promise<Report>
  readonly stop: () => void
}

/** Answers come in the order of the questions, and nobody asks before he has his answer. */
export const startProvider = async (): Promise<Provider> => {
  const child = fork(new URL("server.ts", import.meta.url))
  const next = async (): Promise<Report> => {
    const [report] = await once(child, "message")
    return report
  }
  const ask = (question: Question) => {
    child.send(question)
    return next()
  }
  await next()
  return {
    reset: (limits) => ask({ limits }),
    report: () => ask("report"),
    stop: () => child.disconnect()
  }
}
