/** Publishes events of hooks to observers. Nobody waits for an observer: when the buffer is full, the oldest event is dropped. */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Event } from "./event.ts"
import type { Host } from "./instance.ts"

const capacity = 1024

export const make: Effect.Effect<
  { readonly publish: Host["publish"]; readonly events: Stream.Stream<Event> },
  never,
  Scope.Scope
> = Effect.gen(function*() {
  const pubsub = yield* Effect.acquireRelease(PubSub.sliding<Event>(capacity), PubSub.shutdown)
  let dropped = 0
  return {
    publish: (event) =>
      Effect.suspend(() => {
        if (PubSub.sizeUnsafe(pubsub) >= capacity) dropped++
        return PubSub.publish(pubsub, { ...event, dropped })
      }),
    events: Stream.fromPubSub(pubsub)
  }
})
