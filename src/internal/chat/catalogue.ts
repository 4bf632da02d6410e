/**
 * What is known of models by their names, of those whose provider, or one who serves them, documents it. As read in November
 * 2026. What is not here is taken to be possible.
 */
import type { Capabilities } from "../../ServiceBackend.ts"

/** The names of a family, without their vendor and version; the first family that a name is of counts. */
const families: ReadonlyArray<readonly [names: string, capabilities: Capabilities]> = [
  // https://developers.openai.com/api/docs/models/gpt-3.5-turbo, and so on
  ["gpt-3\\.5-turbo", { contextWindow: 16_385, images: false }],
  ["gpt-4", { contextWindow: 8_192, images: false }],
  ["gpt-4-turbo-preview|gpt-4-0125-preview", { contextWindow: 128_000, images: false }],
  ["gpt-4-turbo", { contextWindow: 128_000 }],
  ["gpt-4o-mini-audio|gpt-audio-mini", { contextWindow: 128_000, images: false }],
  ["gpt-5-(mini|nano)", { contextWindow: 400_000 }],
  // https://developers.openai.com/api/docs/models/compare
  ["gpt-5\\.5|gpt-5\\.6-(sol|terra|luna)", { contextWindow: 1_050_000 }],
  // https://openrouter.ai/openai/o3-mini, and so on
  ["gpt-4o", { contextWindow: 128_000 }],
  ["gpt-4\\.1", { contextWindow: 1_047_576 }],
  ["o3-mini", { contextWindow: 200_000, images: false }],
  // https://vercel.com/ai-gateway/models/o4-mini, and so on
  ["gpt-4o-mini", { contextWindow: 128_000 }],
  ["gpt-4\\.1-mini", { contextWindow: 1_047_576 }],
  ["o4-mini", { contextWindow: 200_000 }],
  ["gpt-5|gpt-5\\.2|gpt-5\\.4-(mini|nano)", { contextWindow: 400_000 }],
  ["gpt-6-luna", { contextWindow: 1_050_000 }],

  // https://platform.claude.com/docs/en/models/overview, and the page of each model, without the betas of longer windows. Of the
  // prefill: https://platform.claude.com/docs/en/about-claude/models/migration-guide, and since then
  // https://platform.claude.com/docs/en/models/sonnet-5-5/migration-guide and the like
  ["claude-(opus-4[.-][678]|sonnet-4[.-]6)", { contextWindow: 1_000_000, prefill: false }],
  ["claude-(fable|mythos|opus|sonnet)-5([.-][125])?", { contextWindow: 1_000_000, prefill: false }],
  ["claude-haiku-5[.-]5", { contextWindow: 1_000_000 }],
  ["claude-(opus|sonnet|haiku)-4([.-][015])?", { contextWindow: 200_000 }],
  ["claude-3([.-][57])?-(opus|sonnet|haiku)", { contextWindow: 200_000 }],

  // https://ai.google.dev/gemini-api/docs/models/gemini-3.5-flash, and so on
  ["gemini-2\\.0-flash(-lite)?|gemini-2\\.5-(pro|flash|flash-lite)", { contextWindow: 1_048_576 }],
  ["gemini-3-flash|gemini-3\\.1-pro|gemini-3\\.[578]-flash|gemini-4-argon", { contextWindow: 1_048_576 }],

  // https://api-docs.deepseek.com/quick_start/pricing
  ["deepseek-flash|deepseek-v4-flash", { contextWindow: 1_000_000 }],
  ["deepseek-v4-pro", { contextWindow: 1_000_000, images: false }]
]

/** For example `-2024-08-06`, `-20250929`, `-0125`, `-001`, `-latest`, `-preview-05-20`, and a gateway's variant such as `:free`. */
const version = "(-latest|-preview)?([-@]\\d{2,8}(-\\d{2,4}){0,2})?(:[a-z]+)?"

const known = families.map(([names, capabilities]) => [new RegExp(`^(${names})${version}$`), capabilities] as const)

const nothing: Capabilities = {}

/** What is known of a model by its name, which may have its vendor before it: `openai/gpt-4o`. */
export const capabilitiesOf = (model: string): Capabilities => {
  const name = model.slice(model.lastIndexOf("/") + 1).toLowerCase()
  return known.find(([pattern]) => pattern.test(name))?.[1] ?? nothing
}
