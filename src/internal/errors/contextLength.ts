/** The request is too long, and the message of the provider may tell for how much: in the first group of a pattern. */
import { ContextLengthExceeded } from "../../Errors.ts"

export const contextLengthExceeded = (description: string, message: string, told: RegExp): ContextLengthExceeded => {
  const contextWindow = Number(told.exec(message)?.[1])
  return new ContextLengthExceeded({ description, ...(contextWindow > 0 && { contextWindow }) })
}
