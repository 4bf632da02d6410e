/** The service that keeps shared limits. */
import * as Context from "effect/Context"
import type { Store } from "./session.ts"

/**
 * The store that keeps the limits of a program which have a `key`, to share them between processes.
 *
 * **When to use**
 *
 * Provide `LimitStore.layerRedis` where several processes use one account. Implement `LimitStore.Store` to keep limits
 * elsewhere, such as in PostgreSQL or a Durable Object.
 *
 * @category services
 * @since 0.1.0
 */
export class LimitStore extends Context.Service<LimitStore, Store>()("effect-imodel/LimitStore") {}
