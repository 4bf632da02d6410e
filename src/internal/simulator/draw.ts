/** What the simulator makes up, drawn from a seed: the same seed gives the same words, vector and value. */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as JsonSchema from "effect/JsonSchema"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"

const words = ["amber", "bridge", "cloud", "delta", "ember", "forest", "garden", "harbor", "lantern", "river"] as const

/** A sentence of six words and more. */
export const sentence = (seed: string): Effect.Effect<string> =>
  Random.withSeed(
    Effect.gen(function*() {
      const length = yield* Random.nextIntBetween(6, 24)
      const drawn = yield* Effect.replicateEffect(Random.choice(words), length)
      return `${drawn.join(" ")}.`
    }),
    seed
  )

/** A vector of length one. */
export const vector = (seed: string, dimensions: number): Effect.Effect<ReadonlyArray<number>> =>
  Random.withSeed(
    Effect.map(Random.Random, (random) => {
      const drawn = Array.from({ length: dimensions }, () => random.nextDoubleUnsafe() * 2 - 1)
      const length = Math.hypot(...drawn) || 1
      return drawn.map((x) => x / length)
    }),
    seed
  )

/**
 * JSON that satisfies a JSON schema: values that a person can read where the schema leaves the choice, or any. Fails with
 * what is wrong with the schema.
 */
export const json = (seed: string, schema: JsonSchema.JsonSchema): Effect.Effect<unknown, string> =>
  Effect.catch(sample(seed, schema, readable()), () => sample(seed, schema, (node) => node))

type Node = JsonSchema.JsonSchema

const sample = Effect.fnUntraced(function*(seed: string, schema: Node, onEnter: (node: Node) => Node) {
  const arbitrary = yield* Effect.try({
    try: () => {
      const document = "definitions" in schema
        ? JsonSchema.fromSchemaDraft07(schema)
        : JsonSchema.fromSchemaDraft2020_12(schema)
      const imported = SchemaRepresentation.fromJsonSchemaDocument(document, { patterns: "apply", onEnter })
      return Arbitrary.schema(Schema.toType(imported))
    },
    catch: (error) => error instanceof Error ? error.message : String(error)
  })
  const drawn = Arbitrary.sampleEffect(arbitrary, { seed, count: 1, size: 4 })
  const [value] = yield* Effect.mapError(drawn, () => "no value was found that satisfies it")
  return value
})

const formats: Readonly<Record<string, string>> = {
  "date-time": "^20[0-3]\\d-(0[1-9]|1[0-2])-(0[1-9]|1\\d|2[0-8])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\dZ$",
  date: "^20[0-3]\\d-(0[1-9]|1[0-2])-(0[1-9]|1\\d|2[0-8])$",
  time: "^([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\dZ$",
  duration: "^P[1-9]D$",
  email: "^[a-z]{3,8}@example\\.com$",
  hostname: "^[a-z]{3,8}\\.example\\.com$",
  ipv4: "^192\\.0\\.2\\.[1-9]$",
  uri: "^https://example\\.com/[a-z]{3,8}$",
  uuid: "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
}

/** Narrows each node of a schema. What `allOf` puts together is left as it is: each of its parts says only a part. */
const readable = () => {
  const parts = new Set<unknown>()
  return (node: Node): Node => {
    const { allOf } = node
    if (Array.isArray(allOf)) allOf.forEach((part) => parts.add(part))
    if (parts.has(node) || "allOf" in node || "enum" in node || "const" in node) return node
    const { format, maxLength, maximum = 100, minLength = 0, minimum = 0, pattern, type, ...rest } = node
    if (Array.isArray(type)) return { anyOf: type.map((type: unknown) => ({ ...node, type })) }
    switch (type) {
      case "string": {
        if (pattern !== undefined) return node
        if (typeof format === "string" && format in formats) return { ...node, pattern: formats[format] }
        if (maxLength === undefined && minLength === 0) return { ...node, enum: words }
        const longest = maxLength ?? Number(minLength) + 8
        return { ...rest, type, pattern: `^[a-z]{${Number(minLength)},${Number(longest)}}$` }
      }
      case "integer":
      case "number":
        return Number(minimum) > 0 || Number(maximum) < 100 || fractions.some((key) => key in node)
          ? node
          : { ...rest, type: "integer", minimum: 0, maximum: 100 }
      case "array":
        return "maxItems" in node || "minItems" in node ? node : { ...node, maxItems: 3 }
      case "object":
        return node["additionalProperties"] === true || !("additionalProperties" in node)
          ? { ...node, additionalProperties: false }
          : node
      default:
        return node
    }
  }
}

const fractions = ["exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
