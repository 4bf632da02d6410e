/** Finds the error that a provider states in the body of a 200, or in an event of a stream. */
import * as Predicate from "effect/Predicate"
import { statesError } from "../errors/errorBody.ts"

/**
 * The error that a body states in so many words, as the body of a failed answer: in an `error`, or by being of the kind
 * `"error"`. `undefined` when it states none. It is looked for before a body is decoded, since it may stand beside an answer.
 */
export const statedError = (json: unknown): unknown => {
  if (!Predicate.isObjectOrArray(json)) return undefined
  if (Array.isArray(json)) return statesError(json) ? json : undefined
  if (Predicate.hasProperty(json, "error") && statesError(json)) {
    return Predicate.isObject(json.error) && Object.values(json.error).every(isBlank) ? undefined : json
  }
  const isOfKindError = (Predicate.hasProperty(json, "object") && json.object === "error") ||
    (Predicate.hasProperty(json, "type") && json.type === "error")
  return isOfKindError ? json : undefined
}

/**
 * The error of a body that has no answer, as the body of a failed answer: in a `message` of one name or another, with a code.
 * `undefined` when it has no message.
 */
export const impliedError = (json: unknown): unknown => {
  if (!Predicate.isObject(json)) return undefined
  for (const fields of [json, ...nested.flatMap((name) => objectsIn(json, name))]) {
    const message = first(fields, messages)
    const code = first(fields, codes)
    if (typeof message === "string") return { error: { message, ...(code !== undefined && { code }) } }
  }
  return undefined
}

const messages = ["message", "msg", "error_msg", "error_message", "errorMessage", "status_msg", "detail"]
const codes = ["code", "error_code", "status_code", "status", "errorCode"]

/** `base_resp`: MiniMax; `errors`: Cloudflare. */
const nested = ["base_resp", "errors"]

const isBlank = (value: unknown): boolean => value == null || value === "" || value === 0 || value === "0"

const first = (fields: object, names: ReadonlyArray<string>): unknown => {
  for (const name of names) {
    if (Predicate.hasProperty(fields, name) && !isBlank(fields[name])) return fields[name]
  }
  return undefined
}

const objectsIn = (json: object, name: string): ReadonlyArray<object> => {
  const value = Predicate.hasProperty(json, name) ? json[name] : undefined
  return (Array.isArray(value) ? value : [value]).filter(Predicate.isObject)
}
