/** A tool for a program that is not written in Effect. */
import * as Tool from "effect/ai/Tool"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Backend } from "../ServiceBackend.ts"
import * as ToolBackend from "../ToolBackend.ts"
import { fromStandard, type StandardSchema } from "./chat/standardSchema.ts"

export const ToolTypeId = "~effect-imodel/iModel/Tool"

/**
 * A tool that `Promised.converse` runs. Made by `iModel.tool`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PromisedTool {
  readonly [ToolTypeId]: Effect.Effect<Backend<never>, Cause.IllegalArgumentError>
  readonly name: string
}

/**
 * @category options
 * @since 0.1.0
 */
export interface ToolOptions<A> extends Pick<ToolBackend.Options, "timeout"> {
  readonly name: string
  /** What the tool does, for the model. @default none */
  readonly description?: string | undefined
  /** The parameters: a schema of an object. Others are refused before the tool runs, and the model is told of its mistake. */
  readonly parameters: Schema.Codec<A, unknown> | StandardSchema<A>
  /** Runs the tool. What it throws or rejects with is told to the model. The `signal` is aborted when nobody waits any more. */
  readonly run: (params: A, context: { readonly signal: AbortSignal }) => unknown
}

export const tool = <A extends Readonly<Record<string, unknown>>>(
  { description, name, parameters, run, timeout }: ToolOptions<A>
): PromisedTool => ({
  name,
  [ToolTypeId]: Effect.suspend(() =>
    ToolBackend.make(
      Tool.make(name, {
        description,
        parameters: isStandard(parameters) ? fromStandard(parameters) : parameters,
        success: Schema.Unknown
      }),
      async (params, context) => run(params, context),
      { timeout }
    )
  )
})

const isStandard = <A>(schema: Schema.Codec<A, unknown> | StandardSchema<A>): schema is StandardSchema<A> =>
  !Schema.isSchema(schema)
