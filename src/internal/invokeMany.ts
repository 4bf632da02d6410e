/** Many calls of one model, under its own capacity. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Calling } from "../Calling.ts"
import type { PermissionDenied, TimeoutError } from "../Errors.ts"
import type { CreateOptions, InvokeOptions, InvokeStreamOptions, Model } from "../Model.ts"

export const invokeAll = <Args, Data>(
  model: Model<Args, Data>,
  args: Iterable<Args>,
  options?: InvokeOptions & CreateOptions
): Effect.Effect<Array<Calling<Data>>, TimeoutError | PermissionDenied> =>
  Effect.forEach(args, (args) => model.invoke(args, options), { concurrency: model.capacity })

export const invokeAllResults = <Args, Data>(
  model: Model<Args, Data>,
  args: Iterable<Args>,
  options?: InvokeOptions & CreateOptions
): Effect.Effect<Array<Result.Result<Calling<Data>, TimeoutError | PermissionDenied>>> =>
  Effect.forEach(args, (args) => Effect.result(model.invoke(args, options)), { concurrency: model.capacity })

export const mapStream = <Args, Data, A, E, R>(
  model: Model<Args, Data>,
  elements: Stream.Stream<A, E, R>,
  toArgs: (element: A) => Args,
  { unordered = false, ...options }: InvokeStreamOptions = {}
): Stream.Stream<readonly [A, Result.Result<Calling<Data>, TimeoutError | PermissionDenied>], E, R> =>
  Stream.mapEffect(
    elements,
    (element) =>
      Effect.map(
        Effect.result(Effect.suspend(() => model.invoke(toArgs(element), options))),
        (result) => [element, result] as const
      ),
    { concurrency: model.capacity, unordered }
  )
