import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as O200k from "gpt-tokenizer/encoding/o200k_base"
import { countTokens, type Tokenizer } from "../../../src/internal/chat/countTokens.ts"
import { estimateText } from "../../../src/internal/chat/textTokens.ts"

const o200k: Tokenizer = (text) => O200k.countTokens(text, { disallowedSpecial: new Set() })

/** A tokenizer that notes the lengths of the texts that it was given. */
const noting = () => {
  const lengths: Array<number> = []
  const tokenizer: Tokenizer = (text) => {
    lengths.push(text.length)
    return text.length
  }
  return { lengths, tokenizer, work: () => lengths.reduce((sum, length) => sum + length, 0) }
}

const samples: Readonly<Record<string, string>> = {
  english:
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience.",
  german:
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen.",
  russian: "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью.",
  greek: "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
  arabic: "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميرًا.",
  hebrew: "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
  hindi: "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
  thai: "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
  chinese: "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
  japanese: "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
  korean: "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
  code:
    "export const make = (options: Options): Effect<Queue> =>\n  Effect.map(options.size, (size) => new Queue(size))\n",
  json: JSON.stringify([{ id: 1, name: "Alice Johnson", email: "alice@example.com", active: true, score: 98.6 }]),
  base64:
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJgggR0lGODlhAQABAIAAAP"
}

/** The mean of the tokens that GPT-4o, Gemini and DeepSeek V3 make of the samples. */
const means: Readonly<Record<string, number>> = {
  english: 21.0,
  german: 38.0,
  russian: 29.3,
  greek: 34.7,
  arabic: 29.7,
  hebrew: 21.3,
  hindi: 33.3,
  thai: 29.3,
  chinese: 30.7,
  japanese: 27.3,
  korean: 25.7,
  code: 30.0,
  json: 28.7,
  base64: 63.0
}

describe("countTokens", () => {
  it("is exact on short texts with spaces", () => {
    for (const name of ["english", "german", "russian", "arabic", "hindi", "korean"]) {
      const text = samples[name] ?? ""
      assert.strictEqual(countTokens([text], o200k), o200k(text), name)
      assert.strictEqual(countTokens([text, text], o200k), 2 * o200k(text), name)
    }
  })

  it("is within 5 % of the tokenizer on long texts, of one kind and mixed", () => {
    const long = Object.values(samples).map((text) => `${text} `.repeat(Math.ceil(30_000 / text.length)))
    for (const text of [...long, long.join("\n"), JSON.stringify(long)]) {
      const exact = o200k(text)
      assert.closeTo(countTokens([text], o200k), exact, exact * 0.05, text.slice(0, 40))
    }
  })

  it("gives the tokenizer a bounded amount of work, and no long run", () => {
    const hostile = ["a", "的", "ACGT", "😀", " ", "\n", "!", "<|endoftext|>", "word "]
    for (const unit of hostile) {
      const { lengths, tokenizer, work } = noting()
      countTokens([unit.repeat(400_000 / unit.length)], tokenizer)
      assert.isAtMost(work(), 21_000, unit)
      if (unit !== "word ") assert.isAtMost(Math.max(...lengths), 256 + 64, unit)
    }
    const { lengths, tokenizer, work } = noting()
    countTokens(["的".repeat(100_000)], tokenizer)
    assert.isAtMost(Math.max(...lengths), 65)
    assert.isAtMost(work(), 1000)
  })

  it("stops the tokenizer when it has taken too long", () => {
    let now = 0
    const { tokenizer, work } = noting()
    const text = "word ".repeat(3000)
    const tokens = countTokens([text], (text) => {
      now += 2
      return tokenizer(text)
    }, () => now)
    assert.isAtMost(work(), 1000)
    assert.closeTo(tokens, text.length, text.length * 0.05)
  })

  it("estimates what a tokenizer fails on, or counts as nonsense", () => {
    const text = samples["english"] ?? ""
    const failing: Tokenizer = () => {
      throw new Error("Disallowed special token")
    }
    for (const tokenizer of [failing, () => Number.NaN, () => -1, () => Number.POSITIVE_INFINITY, undefined]) {
      assert.strictEqual(countTokens([text], tokenizer), estimateText(text))
    }
  })

  it("samples many short texts", () => {
    const { lengths, tokenizer } = noting()
    const texts = Array.from({ length: 50_000 }, (_, i) => `message ${i}`)
    const exact = texts.join("").length
    assert.closeTo(countTokens(texts, tokenizer), exact, exact * 0.05)
    assert.isAtMost(lengths.length, 1000)
  })

  it.prop("covers a text that is not sampled without gaps and without overlaps", [
    Schema.Array(Schema.Literals(["word ", " ", "\n", "的", "😀", "x".repeat(70), "  ", "<|im_end|>"])).check(
      Schema.isMaxLength(60)
    )
  ], ([units]) => {
    const text = units.join("").slice(0, 400)
    assert.strictEqual(countTokens([text], (text) => text.length), text.length)
  }, { arbitrary: { runs: 300 } })
})

describe("estimateText", () => {
  it("is within 15 % of the mean of three tokenizers, on ten scripts, code, JSON and base64", () => {
    for (const [name, text] of Object.entries(samples)) {
      const mean = means[name] ?? Number.NaN
      assert.closeTo(estimateText(text), mean, mean * 0.15, name)
    }
  })
})
