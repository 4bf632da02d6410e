/** What a tool answers and how it fails, as those see it who called it. */
import * as Effect from "effect/Effect"
import { makeResponse, type NormalizedResponse } from "../../Calling.ts"
import { ToolFailure } from "../../Errors.ts"
import { describe, encodableCause } from "../errors/describe.ts"

/** A text as it is, anything else as JSON. */
export const responseOf = <A>(data: A, encoded: unknown): NormalizedResponse<A> =>
  makeResponse({ data, text: typeof encoded === "string" ? encoded : JSON.stringify(encoded) ?? "" })

export const failureOf = (tool: string) => (cause: unknown): ToolFailure =>
  new ToolFailure({ tool, description: describe(cause), cause: encodableCause(cause) })

/** Makes a `ToolFailure` of every failure and every defect. */
export const failingWith =
  (failed: (cause: unknown) => ToolFailure) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, ToolFailure, R> =>
    Effect.catchDefect(Effect.mapError(effect, failed), (defect) => Effect.fail(failed(defect)))
