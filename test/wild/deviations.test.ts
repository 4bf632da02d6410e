import { describe, it } from "@effect/vitest"
import * as Deviations from "./generator.ts"
import { anthropic } from "./wires/anthropic.ts"
import { gemini } from "./wires/gemini.ts"
import { openAiChat } from "./wires/openAiChat.ts"
import { openAiResponses } from "./wires/openAiResponses.ts"

const wires = [openAiChat, openAiResponses, anthropic, gemini]

for (const wire of wires) describe(`deviations of ${wire.name}`, () => Deviations.run(it, wire))
