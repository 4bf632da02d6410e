import { describe, it } from "@effect/vitest"
import * as Deviations from "./deviations.ts"
import { openAiChat } from "./openAiChat.ts"
import { openAiResponses } from "./openAiResponses.ts"

const wires = [openAiChat, openAiResponses]

for (const wire of wires) describe(`deviations of ${wire.name}`, () => Deviations.run(it, wire))
