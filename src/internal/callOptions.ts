/** Validation of the options of one call. */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { BatchOptions, InvokeStreamOptions, StreamOptions } from "../Model.ts"
import { shown } from "./util/options.ts"
import { didYouMean } from "./util/suggest.ts"

/** What is wrong with the options of a call, if anything is. */
export const misfitOf = (options: StreamOptions): AiError.InvalidRequestError | undefined => {
  const unknown = Object.entries(options).find(([name, value]) => value !== undefined && !known.includes(name))
  if (unknown !== undefined) {
    return misfit(unknown[0], `A call has no such option${didYouMean(unknown[0], known)}`)
  }
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

/** All options of a call, of a batch and of a stream, which are passed on as they are. */
const known: ReadonlyArray<string> = Object.keys(
  {
    timeout: true,
    queueTimeout: true,
    priority: true,
    key: true,
    repair: true,
    metadata: true,
    firstPartTimeout: true,
    idleTimeout: true,
    mode: true,
    unordered: true
  } satisfies { readonly [Name in keyof (StreamOptions & BatchOptions & InvokeStreamOptions)]-?: true }
)

const limits = ["timeout", "queueTimeout", "firstPartTimeout", "idleTimeout"] as const

const misfit = (parameter: string, description: string) => new AiError.InvalidRequestError({ parameter, description })
