/** Where a call goes: the address of the API, and the path with its parameters. */
import type * as AiError from "effect/ai/AiError"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { illegal } from "../util/options.ts"
import { unsendable } from "../errors/neverSent.ts"
import { withoutEnd } from "./baseUrl.ts"

type Payload = Readonly<Record<string, unknown>>

/** A path, and the parameters in it. */
export interface Path {
  readonly template: string
  readonly parameters: ReadonlyArray<string>
}

export const makePath = (template: string): Path => ({
  template,
  parameters: Array.from(template.matchAll(/\{(\w+)\}/g), (match) => match[1] ?? "")
})

/** The path with its parameters filled in. */
export const fillPath = (path: Path, payload: Payload): Effect.Effect<string, AiError.InvalidRequestError> =>
  path.parameters.length === 0 ? Effect.succeed(path.template) : fill(path, payload)

const fill = Effect.fnUntraced(function*(
  { parameters, template }: Path,
  payload: Payload
): Effect.fn.Return<string, AiError.InvalidRequestError> {
  let path = template
  for (const name of parameters) path = path.replace(`{${name}}`, yield* pathSegment(name, payload[name]))
  return path
})

/** The arguments that are given, but for some. */
export const without = (payload: Payload, names: ReadonlyArray<string>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(payload).filter(([name, value]) => !names.includes(name) && value !== undefined))

/** A parameter for each argument, several for one that is an array; an object is sent as JSON. */
export const queryOf = (args: Payload): ReadonlyArray<readonly [string, string]> =>
  Object.entries(args).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((value: unknown) =>
      [name, Predicate.isObjectKeyword(value) ? JSON.stringify(value) : String(value)] as const
    )
  )

// A segment of dots is a way out of the path, however it is encoded; half of a surrogate pair cannot be encoded.
const pathSegment = (parameter: string, value: unknown): Effect.Effect<string, AiError.InvalidRequestError> =>
  value === undefined || value === null
    ? refused(parameter, "It is part of the path and must be given")
    : /^(\.{1,2})?$|\p{Surrogate}/u.test(String(value))
    ? refused(parameter, `"${String(value)}" cannot be in a path`)
    : Effect.succeed(encodeURIComponent(String(value)))

const refused = (parameter: string, description: string) => Effect.fail(unsendable(parameter, description))

/** Why an address is invalid, or `undefined`. The address is not repeated: it may hold a credential. */
export const misfitOfBaseUrl = (baseUrl: string): string | undefined => {
  const url = URL.parse(baseUrl)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return `must be an absolute http or https address, such as "https://api.openai.com/v1"`
  }
  return url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== ""
    ? "must have no query, fragment or credentials"
    : undefined
}

/**
 * A wrong address for a message, without what may be a credential in it: whatever stands before the last `@`, since a password
 * that is not encoded may hold `/`, `?` and `#`, and the query.
 */
const shownAddress = (address: string): string => {
  const text = address.slice(0, 200)
  const at = address.lastIndexOf("@")
  const scheme = /^[a-z][a-z\d+.-]{0,20}:\/\//i.exec(text)?.[0] ?? ""
  const shown = at === -1 ? text : `${scheme}<redacted>${address.slice(at, at + 200)}`
  return JSON.stringify(shown.replace(/[?#].*/s, ""))
}

/** The address, without blanks around it or a slash at its end. */
export const checkedBaseUrl = (given: string): Effect.Effect<string, Cause.IllegalArgumentError> => {
  const baseUrl = given.trim()
  const misfit = misfitOfBaseUrl(baseUrl)
  return misfit === undefined
    ? Effect.succeed(withoutEnd(baseUrl))
    : illegal(`baseUrl ${misfit}, got ${shownAddress(baseUrl)}`)
}
