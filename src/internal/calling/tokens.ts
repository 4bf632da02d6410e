/** The estimated cost of a calling, in tokens. */
export interface Tokens {
  readonly input: number
  readonly output: number
}
