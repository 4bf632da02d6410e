/** References: settings of a region of a program. */
import * as Context from "effect/Context"

/**
 * Priority of the calls of a region of a program that state none. Lower numbers go first.
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
 * Tenant of the calls of a region of a program that state none.
 *
 * @category references
 * @since 0.1.0
 */
export const Key = Context.Reference<string | undefined>("effect-imodel/Executor/Key", {
  defaultValue: () => undefined
})

/**
 * Whether spans contain prompts and answers. These may be confidential, so the default is `false`.
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
 * Further arguments of the calls that a region of a program makes through Effect AI: `temperature`, `max_tokens`, and fields of
 * the provider's wire.
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
