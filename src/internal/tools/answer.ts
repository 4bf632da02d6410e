/** What a tool answers and how it fails, as those see it who called it. */
import { makeResponse, type NormalizedResponse } from "../../Calling.ts"
import { ToolFailure } from "../../Errors.ts"
import { describe } from "../errors/describe.ts"

/** A text as it is, anything else as JSON. */
export const responseOf = <A>(data: A, encoded: unknown): NormalizedResponse<A> =>
  makeResponse({ data, text: typeof encoded === "string" ? encoded : JSON.stringify(encoded) ?? "" })

export const failureOf = (tool: string) => (cause: unknown): ToolFailure =>
  new ToolFailure({ tool, description: describe(cause), cause })
