/** Validation of the options of one call. */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { StreamOptions } from "../Model.ts"
import { shown } from "./util/options.ts"

/** What is wrong with the options of a call, if anything is. */
export const misfitOf = (options: StreamOptions): AiError.InvalidRequestError | undefined => {
  const { priority } = options
  const late = limits.find((name) => {
    const input = options[name]
    return input !== undefined && !Option.exists(Duration.fromInput(input), Duration.isPositive)
  })
  if (late !== undefined) {
    return misfit(
      late,
      `It must be a duration longer than zero, such as "1 minute" or milliseconds, got ${shown(options[late])}`
    )
  }
  const { repair } = options
  if (repair !== undefined && !(Number.isSafeInteger(repair) && repair >= 0)) {
    return misfit("repair", `It must be a whole number, zero or more, got ${shown(repair)}`)
  }
  return priority === undefined || (typeof priority === "number" && !Number.isNaN(priority))
    ? undefined
    : misfit("priority", `It must be a number, got ${shown(priority)}`)
}

const limits = ["timeout", "queueTimeout", "firstPartTimeout", "idleTimeout"] as const

const misfit = (parameter: string, description: string) => new AiError.InvalidRequestError({ parameter, description })
