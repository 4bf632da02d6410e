/** The tools of a toolkit of `effect/ai`, carried out by its handlers. */
// What handlers need and fail with is in the type of the toolkit, and of no one tool.
// @effect-diagnostics anyUnknownInErrorContext:off
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { make } from "../../ServiceBackend.ts"
import type { ToolkitTool } from "./options.ts"
import { failingWith, failureOf, responseOf } from "./answer.ts"

export function fromToolkit<Tools extends Record<string, Tool.Any>>(
  toolkit: Toolkit.Toolkit<Tools>
): Effect.Effect<
  ReadonlyArray<ToolkitTool>,
  never,
  Tool.HandlersFor<Tools> | Tool.HandlerServices<Tools[keyof Tools]>
>
export function fromToolkit(toolkit: Toolkit.Toolkit<Record<string, Tool.Any>>) {
  return Effect.contextWith((services: Context.Context<Tool.HandlerServices<Tool.Any>>) =>
    Effect.flatMap(toolkit, ({ handle, tools }) =>
      Effect.forEach(
        Object.values(tools).filter((tool) => !Tool.isProviderDefined(tool)),
        (tool) => {
          const failed = failureOf(tool.name)
          const call = Effect.fnUntraced(
            function*(args: Readonly<Record<string, unknown>>) {
              if (tool.needsApproval) return yield* Effect.fail("It needs an approval, which nobody is asked for here")
              const results = yield* handle(tool.name, args, undefined, { onExcessProperty: "error" })
              const last = yield* Stream.runLast(results)
              const { encodedResult, isFailure, result } = yield* Effect.fromOption(last)
              return isFailure ? yield* Effect.fail(result) : responseOf(result, encodedResult)
            },
            failingWith(failed),
            Effect.updateContext((context: Context.Context<never>) => Context.merge(services, context))
          )
          return make({
            provider: "tool",
            name: tool.name,
            tags: ["tool"],
            request: Schema.Record(Schema.String, Schema.Unknown),
            operation: { name: "execute_tool" },
            tool,
            call
          })
        }
      ))
  )
}
