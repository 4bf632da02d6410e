/** The types and options of tool backends. */
import type * as McpSchema from "effect/ai/McpSchema"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Calling } from "../../Calling.ts"
import { type Backend } from "../../ServiceBackend.ts"

/**
 * A schema of what a tool answers, encoded without services.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResultSchema extends Schema.Top {
  readonly EncodingServices: never
}

/**
 * Does what a tool does: it answers with a value, a Promise of one or an Effect of one. The `signal` is aborted when nobody waits
 * for the answer any more.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<in Params, out A, out E, out R> = (
  params: Params,
  context: { readonly calling: Calling; readonly signal: AbortSignal }
) => A | Promise<A> | Effect.Effect<A, E, R>

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The longest time that a call may run. Then it is a `ToolFailure`. @default for ever */
  readonly timeout?: Duration.Input | undefined
  /** @default "1" */
  readonly version?: string | undefined
  /** Beside `"tool"`. */
  readonly tags?: Iterable<string> | undefined
}

/**
 * A tool of a toolkit. Its arguments are decoded by the tool's schema when it is called.
 *
 * @category models
 * @since 0.1.0
 */
export type ToolkitTool = Backend<Readonly<Record<string, unknown>>, unknown>

/**
 * A tool of an MCP server. Its `data` is what the server said.
 *
 * @category models
 * @since 0.1.0
 */
export type McpTool = Backend<Readonly<Record<string, unknown>>, McpSchema.CallToolResult>

/**
 * @category options
 * @since 0.1.0
 */
export interface McpOptions {
  /** Put before the names of the tools, so that they differ from those of other servers. @default "" */
  readonly prefix?: string | undefined
  /** Only the tools of these names, without the prefix. @default all */
  readonly only?: ReadonlyArray<string> | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface McpStdioOptions {
  /** A name to be found on the `PATH`, or a path. */
  readonly command: string
  readonly args?: ReadonlyArray<string> | undefined
  /**
   * Variables for the environment of the server. Of the environment of this program the server gets what it needs to run (`PATH`,
   * `HOME`, the locale, the folder of temporary files, proxies, certificates), and no credentials.
   */
  readonly env?: Readonly<Record<string, string>> | undefined
  /**
   * The longest time until it is connected, until it has listed its tools, and of each call. A call that takes longer is a
   * `ToolFailure`.
   * @default 30 seconds to connect and to list its tools, 10 minutes for a call
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface McpHttpOptions {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * The longest time until it is connected, until it has listed its tools, and of each call. A call that takes longer is a
   * `ToolFailure`.
   * @default 30 seconds to connect and to list its tools, 10 minutes for a call
   */
  readonly timeout?: Duration.Input | undefined
}
