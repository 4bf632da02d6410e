/** The estimated cost of a calling. */
import * as AiError from "effect/ai/AiError"
import * as Result from "effect/Result"

/** Tokens of a call: finite, and not negative. */
export interface Tokens {
  readonly input: number
  readonly output: number
}

/** A cost, as a number of input tokens or as both. */
type Cost = number | Tokens

/** Checks a cost. Reservations must be finite and not negative. */
export const tokensOf = (cost: Cost): Result.Result<Tokens, AiError.InvalidRequestError> => {
  const tokens = typeof cost === "number" ? { input: cost, output: 0 } : cost
  return isCount(tokens.input) && isCount(tokens.output)
    ? Result.succeed(tokens)
    : Result.fail(
      new AiError.InvalidRequestError({
        description: "The cost of a call must be finite and not negative, " +
          `got ${tokens.input} input and ${tokens.output} output tokens. Check max_tokens and the cost function`
      })
    )
}

const isCount = (n: number): boolean => Number.isFinite(n) && n >= 0
