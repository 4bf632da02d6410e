/** The interface of a registry, and the options of MCP servers. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { type DuplicateModel, type ModelNotFound, ModelUnavailable, type NotATool } from "../../Errors.ts"
import type { Model } from "../../Model.ts"

/**
 * A model of whatever types. It is invoked with `invokeUnknown`: its backend checks the arguments.
 *
 * @category models
 * @since 0.1.0
 */
export interface Registered extends Model<never> {}

/**
 * In whose form the schema of a tool is.
 *
 * @category models
 * @since 0.1.0
 */
export type Format = "openai" | "anthropic" | "gemini"

/**
 * A tool in the words of a provider.
 *
 * @category models
 * @since 0.1.0
 */
export type ToolSchema = Readonly<Record<string, unknown>>

/**
 * @category models
 * @since 0.1.0
 */
export interface Registry {
  /** Adds a model under its `name`. */
  readonly register: (
    model: Registered,
    options?: { readonly update?: boolean | undefined }
  ) => Effect.Effect<void, DuplicateModel>
  /**
   * Removes a model, and answers with it; `undefined` when it has not been made yet. A model of the program's own lives on in its
   * scope. An MCP server ends with the last of its tools.
   */
  readonly unregister: (nameOrId: string) => Effect.Effect<Registered | undefined, ModelNotFound>
  /** Removes all models, as `unregister` does. */
  readonly clear: Effect.Effect<void>
  /** The model of that name or id, which is made now if it has not been yet. */
  readonly get: (nameOrId: string) => Effect.Effect<Registered, ModelNotFound | ModelUnavailable>
  readonly has: (nameOrId: string) => Effect.Effect<boolean>
  /** In the order in which they came. */
  readonly names: Effect.Effect<ReadonlyArray<string>>
  readonly size: Effect.Effect<number>
  /** The models that have the tag. All are made for that, if they have not been yet. */
  readonly byTag: (tag: string) => Effect.Effect<ReadonlyArray<Registered>, ModelUnavailable>
  /**
   * The definitions of tools for a provider, under the names by which they are registered. A model of `names` that is no tool is an
   * error; without `names`, all tools are described, and other models are left out.
   */
  readonly toolSchemas: (
    format: Format,
    names?: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<ToolSchema>, ModelNotFound | ModelUnavailable | NotATool>
  /** What it makes lives in this. */
  readonly scope: Scope.Scope
}

/**
 * @category options
 * @since 0.1.0
 */
export interface McpConfigOptions {
  /** The names of the servers in the file that are used. One that is not in the file is an `McpConfigError`. @default all */
  readonly servers?: ReadonlyArray<string> | undefined
  /**
   * The commands that the file may start, by their names or paths as they are in the file, or a predicate on the command and its
   * arguments. A file that starts another one is an `McpConfigError`, and nothing is started.
   * @default all
   */
  readonly allowCommands?:
    | ReadonlyArray<string>
    | ((command: string, args: ReadonlyArray<string>) => boolean)
    | undefined
  /** Whether its tools replace those of the same names. @default false */
  readonly update?: boolean | undefined
  /**
   * The longest time until a server is connected, until it has listed its tools, and of each call.
   * @default 30 seconds to connect and to list its tools, 10 minutes for a call
   */
  readonly timeout?: Duration.Input | undefined
}
