/** Finds the error that a chat completion or one of its chunks states. */
import * as Predicate from "effect/Predicate"
import { statesError } from "../errors/errorBody.ts"
import { statedError } from "../http/statedError.ts"
import { failureStatusOf } from "./finishReasons.ts"

/** As the body of a failed answer: of the whole, of a choice, or in the reason for which a choice has finished. */
export const chatError = (json: unknown): unknown => {
  const stated = statedError(json)
  if (stated !== undefined || !Predicate.hasProperty(json, "choices") || !Array.isArray(json.choices)) return stated
  for (const choice of json.choices) {
    if (!Predicate.isObject(choice)) continue
    if ("error" in choice && statesError(choice)) return { error: choice["error"] }
    const reason = choice["finish_reason"]
    const status = typeof reason === "string" && reason !== "" ? failureStatusOf(reason) : undefined
    if (status !== undefined) {
      return { error: { code: status, message: `The answer ended with the finish reason "${String(reason)}"` } }
    }
  }
  return undefined
}
