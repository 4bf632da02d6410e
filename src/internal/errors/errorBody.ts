/** Reads the body of an error in any of the shapes that providers, gateways and local servers send. */
import * as Predicate from "effect/Predicate"

/** An error as a provider describes it. */
export interface ErrorDescription {
  /** In the provider's words, with those of the provider behind a gateway; empty when there are none. */
  readonly message: string
  /** The status that the body states, as a number; `undefined` when it states none. */
  readonly status: number | undefined
  /** Its code, its type and the like, in lower case. */
  readonly codes: ReadonlyArray<string>
  /** The argument at fault, as the provider names it. */
  readonly parameter: string | undefined
  /** The context window of the model in tokens, when the body has a field for it. */
  readonly contextWindow: number | undefined
}

/** Longer messages are cut: they are searched, shown and stored. */
const maxMessageLength = 2_000

/** Describes the error of a body that was decoded from JSON. A body without one has neither a message nor codes. */
export const describeErrorBody = (body: unknown): ErrorDescription => {
  const root = objectOf(Array.isArray(body) ? body[0] : body)
  const error = errorOf(root)
  const fields = typeof error === "string" ? { ...root, message: error } : error ?? root
  const codes = [fields["code"], fields["type"], fields["status"], fields["error_type"]].concat(
    objectOf(fields["details"])["error_code"],
    objectOf(fields["metadata"])["error_type"],
    Array.isArray(fields["details"]) ? fields["details"].map((detail) => objectOf(detail)["reason"]) : []
  )
  return {
    message: messageOf(fields).slice(0, maxMessageLength),
    status: codes.filter((code) => typeof code === "string" || typeof code === "number").map(Number).find((code) =>
      code >= 400 && code < 600
    ),
    codes: codes.filter(Predicate.isString).map((code) => code.toLowerCase()),
    parameter: stringOf(fields["param"]) ?? stringOf(fields["parameter"]),
    contextWindow: positiveOf(fields["n_ctx"])
  }
}

/**
 * Whether a body, or an event of a stream, states an error. Some send the field with every answer, empty when there is none.
 */
export const statesError = (body: unknown): boolean => {
  const [first] = Array.isArray(body) ? body : [body]
  const { error } = objectOf(first)
  return typeof error === "string" ? error.trim() !== "" : Object.keys(objectOf(error)).length > 0
}

type Fields = Readonly<Record<string, unknown>>

const none: Fields = {}

const objectOf = (value: unknown): Fields => Predicate.isObject(value) && !Array.isArray(value) ? { ...value } : none

const stringOf = (value: unknown): string | undefined =>
  // LiteLLM writes Python's `None` for what is not there.
  typeof value === "string" && value !== "" && value !== "None" ? value : undefined

/** JSON may hold numbers of any length, which are infinite when they are read. */
const positiveOf = (value: unknown): number | undefined =>
  typeof value === "number" && value > 0 && Number.isSafeInteger(value) ? value : undefined

/**
 * - `error` as an object: OpenAI, Anthropic, Google
 * - `error` as a text: Ollama, text-generation-inference, xAI with a `code` beside it
 * - `response.error`: the events of OpenAI's Responses
 * - no `error`, `message` at the top: Mistral, older vLLM, an event of OpenAI's Responses
 */
const errorOf = (root: Fields): Fields | string | undefined => {
  for (const error of [root["error"], objectOf(root["response"])["error"]]) {
    if (typeof error === "string") return error
    // A gateway wraps the body of the provider behind it.
    if (Predicate.isObject(error)) {
      return Predicate.isObject(objectOf(error)["error"])
        ? errorOf(objectOf(error))
        : objectOf(error)
    }
  }
  return undefined
}

const messageOf = (fields: Fields): string => {
  const { detail, message, metadata } = fields
  const own = textOf(message) || textOf(detail)
  // OpenRouter: "Provider returned error", and the provider's own body in `metadata.raw`.
  const raw = textOf(objectOf(metadata)["raw"])
  return [own, raw].filter((text) => text !== "").join(": ")
}

/** FastAPI has a list of issues for a message, LiteLLM a text that is JSON again. */
const textOf = (value: unknown): string =>
  value == null ? "" : typeof value === "string" ? value.trim() : JSON.stringify(value)
