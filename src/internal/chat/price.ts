/** The price of the tokens of a model. */

/**
 * The price of a model, in US dollars a million tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Price {
  readonly input: number
  readonly output: number
  /** Input that the provider read from its cache. @default `input` */
  readonly cacheRead?: number | undefined
  /** Input that the provider wrote to its cache. @default `input` */
  readonly cacheWrite?: number | undefined
  /** Input that the provider wrote to its cache for an hour. @default `cacheWrite` */
  readonly cacheWriteHour?: number | undefined
  /** Factor for all prices in a service tier: `{ flex: 0.5, priority: 2 }`. @default 1 */
  readonly tiers?: Readonly<Record<string, number>> | undefined
  /** Factors for the whole call when its input has more than `above` tokens. @default the same price for every length */
  readonly longPrompt?:
    | { readonly above: number; readonly input: number; readonly output: number }
    | undefined
}
