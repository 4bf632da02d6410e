/** Finds the error that a response or one of its events states. */
import * as Predicate from "effect/Predicate"
import { statesError } from "../../errors/errorBody.ts"
import { statedError } from "../../http/statedError.ts"

/** As the body of a failed answer: of the event itself, or of the response that is in it, or that has failed. */
export const responseError = (json: unknown): unknown => {
  const stated = statedError(json)
  if (stated !== undefined || !Predicate.isObject(json)) return stated
  const response = Predicate.isObject(json["response"]) ? json["response"] : json
  if (statesError(response)) return { error: response["error"] }
  return response["status"] === "failed" || json["type"] === "response.failed"
    ? { error: { message: "The response has failed" } }
    : undefined
}
