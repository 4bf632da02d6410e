/**
 * How long a provider asks to wait, by its response headers.
 *
 * - `retry-after-ms`: milliseconds (OpenAI, https://github.com/openai/openai-node, `retryRequest`)
 * - `retry-after`: seconds or an HTTP date (https://www.rfc-editor.org/rfc/rfc9110#name-retry-after)
 */
import * as Duration from "effect/Duration"

export const retryAfterOf = (
  headers: Readonly<Record<string, string | undefined>>,
  nowMillis: number
): Duration.Duration | undefined => {
  const millis = Number.parseFloat(headers["retry-after-ms"] ?? "")
  if (millis >= 0) return Duration.millis(millis)
  const header = headers["retry-after"] ?? ""
  const seconds = Number(header)
  if (header !== "" && seconds >= 0) return Duration.seconds(seconds)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Duration.millis(Math.max(0, date - nowMillis))
}
