/** Settings of a region of a program. */
import * as Context from "effect/Context"

/**
 * The priority of the calls of a region of a program, where they state none. A lower number goes first.
 *
 * **Example** (Background work)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Executor, iModel } from "effect-imodel"
 *
 * const background = iModel.invokeAll([{ prompt: "Summarize" }]).pipe(
 *   Effect.provideService(Executor.Priority, 10)
 * )
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Priority = Context.Reference<number>("effect-imodel/Executor/Priority", { defaultValue: () => 0 })

/**
 * The key (tenant) of the calls of a region of a program, where they state none.
 *
 * @category references
 * @since 0.1.0
 */
export const Key = Context.Reference<string | undefined>("effect-imodel/Executor/Key", {
  defaultValue: () => undefined
})

/**
 * Whether the spans of a region of a program show what is said, in and out. Prompts and answers may hold what nobody but their
 * owner should see, so they do not unless asked for.
 *
 * **Example** (Showing content while debugging)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = iModel.respond({ prompt: "Hello" }).pipe(Effect.provideService(iModel.CaptureContent, true))
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const CaptureContent = Context.Reference<boolean>("effect-imodel/iModel/CaptureContent", {
  defaultValue: () => false
})

/**
 * Arguments of the calls that a region of a program makes through Effect AI, beside what Effect AI says itself: `temperature`,
 * `max_tokens`, and the fields of the provider's wire.
 *
 * **Example** (Short answers)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LanguageModel } from "effect/ai"
 * import { iModel } from "effect-imodel"
 *
 * const program = LanguageModel.generateText({ prompt: "Hello" }).pipe(
 *   Effect.provideService(iModel.CallArguments, { temperature: 0, max_tokens: 64 })
 * )
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const CallArguments = Context.Reference<Readonly<Record<string, unknown>>>(
  "effect-imodel/iModel/CallArguments",
  {
    defaultValue: () => ({})
  }
)
