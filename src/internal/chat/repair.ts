/** A second request for an answer that the schema asked for did not decode. It shows the model its answer and the error. */
import * as Prompt from "effect/ai/Prompt"
import * as Predicate from "effect/Predicate"
import type { Attempt } from "../../Calling.ts"
import { type BackendErrorReason, outputTextOf } from "../../Errors.ts"
import { isRawPrompt } from "./arguments.ts"

type Payload = Readonly<Record<string, unknown>>

/** Whether a failed attempt can be repaired, when so many repairs are allowed. */
export const isRepairable = (
  reason: BackendErrorReason,
  attempts: ReadonlyArray<Attempt>,
  allowed: number
): boolean =>
  reason._tag === "InvalidOutputError" && isMarked(reason.metadata["imodel"]) &&
  attempts.filter((attempt) => attempt.reason?._tag === "InvalidOutputError").length <= allowed

const isMarked = (metadata: unknown): boolean =>
  Predicate.hasProperty(metadata, "isRepairable") && metadata.isRepairable === true

/** The payload of the next attempt: with the last answer and what is wrong with it, if that is why it failed. */
export const withCorrection = <P extends Payload>(payload: P, attempts: ReadonlyArray<Attempt>): P => {
  const reason = attempts.at(-1)?.reason
  if (reason?._tag !== "InvalidOutputError") return payload
  const answer = outputTextOf(reason) ?? ""
  const correction = `Your last answer does not match the JSON schema that was asked for: ${reason.description}\n` +
    "Answer again, with nothing but JSON that matches the schema."
  const messages = [
    ...(answer === "" ? [] : [{ role: "assistant" as const, content: answer }]),
    { role: "user" as const, content: correction }
  ]
  const { contents, input, messages: said, prompt } = payload
  if (isRawPrompt(prompt)) return { ...payload, prompt: Prompt.concat(Prompt.make(prompt), messages) }
  if (Array.isArray(said)) return { ...payload, messages: [...said, ...messages] }
  if (typeof input === "string") return { ...payload, input: [{ role: "user", content: input }, ...messages] }
  if (Array.isArray(input)) return { ...payload, input: [...input, ...messages] }
  return Array.isArray(contents)
    ? {
      ...payload,
      contents: [
        ...contents,
        ...messages.map(({ content, role }) => ({
          role: role === "assistant" ? "model" : "user",
          parts: [{ text: content }]
        }))
      ]
    }
    : payload
}
