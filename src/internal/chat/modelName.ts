/**
 * Finds a model in a table by its name. Providers, gateways and clouds write one model in many ways: with a vendor before it,
 * a date, a variant, or the marks of a fine-tuned model.
 */

/** The value for the most exact of the names that a model has; `undefined` when the table has none of them. */
export const lookUpModel = <A>(table: Readonly<Record<string, A>>, model: string): A | undefined => {
  for (const name of namesOf(model)) if (Object.hasOwn(table, name)) return table[name]
  return undefined
}

/** A fine-tuned model of OpenAI: `ft:gpt-4o-mini-2024-07-18:organization::id`. */
const fineTuned = /^ft:([^:]+)(?=:|$)/

/** The model that a fine-tuned model was made of; other models as they are. */
export const baseModel = (model: string): string => fineTuned.exec(model.trim().toLowerCase())?.[1] ?? model

/** A variant of a gateway (`:free`), and the version of Amazon Bedrock (`-v1:0`). */
const variant = /(-v\d+)?:[a-z0-9]+$/

/** `-latest`, `-2024-08-06`, `-20250929`, `@20250929`, `-0613`, `-001`, `-preview`, `-preview-05-20`, `-preview-09-2025`. */
const version = /(-latest|-preview)?([-@]\d{2,8}(-\d{2,4}){0,2})?$/

/** The names of a model, the most exact first. */
const namesOf = (model: string): ReadonlySet<string> => {
  const given = model.trim().toLowerCase()
  const base = fineTuned.exec(given)?.[1]
  const own = base === undefined ? withoutVendor(given) : `ft:${withoutVendor(base)}`
  const plain = base === undefined ? own.replace(variant, "") : own
  return new Set([model, given, own, plain, plain.replace(version, "")])
}

/** `openai/gpt-4o`, `models/gemini-2.5-pro`, `us.anthropic.claude-opus-4-6`; versions of Claude are written with dots, too. */
const withoutVendor = (name: string): string => {
  const last = name.slice(name.lastIndexOf("/") + 1).replace(/^([a-z-]{2,8}\.)?anthropic\.(?=claude)/, "")
  return last.startsWith("claude-") ? last.replaceAll(".", "-") : last
}
