/**
 * The JSON schemas of tools in what a provider takes. Those of MCP servers are of any draft and hold any keyword. What a provider
 * does not enforce the tool itself still checks when it is called.
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

type Json = { readonly [key: string]: unknown }

/** What a provider takes of JSON schema. */
export interface Dialect {
  /** Keywords that are sent under another name of the same meaning. */
  readonly renamed: Readonly<Record<string, string>>
  /** Formats of texts that it knows; others are told in the description. @default all */
  readonly formats?: ReadonlySet<string>
  /** Whether an enumeration may hold this value. @default any */
  readonly isEnumerable?: (value: unknown) => boolean
  /** The names of properties that it takes. @default any */
  readonly propertyName?: RegExp
}

export const dialects = {
  /** https://platform.openai.com/docs/guides/structured-outputs#supported-schemas */
  openai: { renamed: { oneOf: "anyOf" } },
  /** https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools */
  anthropic: { renamed: {}, propertyName: /^[a-zA-Z0-9_.-]{1,64}$/ },
  /** https://ai.google.dev/gemini-api/docs/structured-output#json_schema_support */
  gemini: {
    renamed: { oneOf: "anyOf", const: "enum" },
    formats: new Set(["date-time", "date", "time"]),
    isEnumerable: (value) => typeof value === "string" || typeof value === "number"
  }
} satisfies Record<string, Dialect>

/** A schema of an object in a dialect, or the first thing in it that cannot be said there. */
export type Fitted = { readonly schema: Json } | { readonly misfit: string }

/** No parameters at all, also where a schema is strict. */
const none: Json = { type: "object", properties: {}, additionalProperties: false }

export const fitSchema = (schema: Json | undefined, dialect: Dialect): Fitted => {
  const writer = new Writer(schema ?? none, dialect)
  const written = writer.root()
  return writer.misfit === undefined ? { schema: written } : { misfit: writer.misfit }
}

const types = new Set(["string", "number", "integer", "boolean", "array", "object", "null"])

/** Keywords that are about the schema itself, or only of OpenAPI. */
const ignored = new Set(["$schema", "$id", "id", "$comment", "$defs", "definitions", "nullable"])

/** Not taken at the root by OpenAI or Anthropic. */
const conditions = ["anyOf", "oneOf", "allOf", "not", "enum", "const", "if", "then", "else"] as const

const subschemas = new Set(["items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames"])
const schemaLists = new Set(["anyOf", "oneOf", "allOf", "prefixItems"])
const schemaMaps = new Set(["properties", "patternProperties", "dependentSchemas"])

class Writer {
  /** What refuses the whole schema. */
  misfit: string | undefined
  /** By the name that they have in what is written. */
  private readonly definitions = new Map<string, unknown>()
  /** Of the definitions, by the references to them. */
  private readonly names = new Map<string, string>()
  private readonly from: Json
  private readonly dialect: Dialect

  constructor(from: Json, dialect: Dialect) {
    this.from = from
    this.dialect = dialect
  }

  root(): Json {
    const { required, properties, ...rest } = this.write(this.merged(this.from, []))
    const definitions = Object.fromEntries(this.definitions)
    return {
      ...rest,
      type: "object",
      properties: properties ?? {},
      ...(required !== undefined && { required }),
      ...(this.definitions.size > 0 && { $defs: definitions })
    }
  }

  /** An object without conditions: all properties of its alternatives, and those required that each of them requires. */
  private merged(schema: Json, within: ReadonlyArray<string>): Json {
    const { $ref, ...own } = schema
    if (typeof $ref === "string" && !within.includes($ref)) {
      const target = this.resolve($ref)
      return this.merged({ ...(Predicate.isObject(target) ? target : {}), ...own }, [...within, $ref])
    }
    const properties: Record<string, unknown> = { ...objectOf(schema["properties"]) }
    const required = new Set(requiredOf(schema))
    const take = (alternative: Json) => {
      for (const [name, property] of Object.entries(objectOf(alternative["properties"]))) properties[name] ??= property
    }
    const parts = (key: string) => listOf(schema[key]).map((part) => this.merged(objectOf(part), within))
    for (const part of parts("allOf")) {
      take(part)
      for (const name of requiredOf(part)) required.add(name)
    }
    for (const key of ["anyOf", "oneOf"]) {
      const alternatives = parts(key)
      for (const alternative of alternatives) take(alternative)
      const [first, ...others] = alternatives.map(requiredOf)
      for (const name of first ?? []) if (others.every((other) => other.includes(name))) required.add(name)
    }
    const rest = Object.fromEntries(Object.entries(own).filter(([key]) => !conditions.some((name) => name === key)))
    return { ...rest, properties, required: [...required] }
  }

  private write(schema: Json): Json {
    const written: Record<string, unknown> = {}
    const notes: Array<string> = []
    for (const [key, value] of Object.entries(modern(schema))) {
      if (ignored.has(key)) continue
      if (key === "$ref") written["$ref"] = this.reference(String(value))
      else if (schemaMaps.has(key)) written[key] = this.map(key, value)
      else if (schemaLists.has(key)) written[this.nameOf(key)] = listOf(value).map((part) => this.subschema(part))
      else if (subschemas.has(key)) written[key] = this.subschema(value)
      else if (key === "enum" || key === "const") {
        const values: ReadonlyArray<unknown> = key === "const" ? [value] : listOf(value)
        if (values.length === 0) continue
        if (values.every(this.dialect.isEnumerable ?? always)) {
          written[this.nameOf(key)] = this.nameOf(key) === "enum" ? values : value
        } else notes.push(`one of ${values.map((one) => JSON.stringify(one)).join(", ")}`)
      } else if (key === "format" && this.dialect.formats?.has(String(value)) === false) notes.push(String(value))
      else written[key] = value
    }
    if (isOf("array", written["type"]) && written["items"] === undefined) written["items"] = {}
    if (notes.length > 0) {
      const note = `(${notes.join("; ")})`
      written["description"] = written["description"] === undefined ? note : `${String(written["description"])} ${note}`
    }
    return written
  }

  private nameOf(key: string): string {
    return this.dialect.renamed[key] ?? key
  }

  private subschema(schema: unknown): unknown {
    // Only `additionalProperties` is known as a boolean by all.
    return Predicate.isObject(schema) ? this.write(objectOf(schema)) : schema
  }

  private map(key: string, schemas: unknown): Json {
    const { propertyName } = this.dialect
    return Object.fromEntries(
      Object.entries(objectOf(schemas)).map(([name, schema]) => {
        if (key === "properties" && propertyName?.test(name) === false) this.misfit ??= `the property "${name}"`
        return [name, schema === true ? {} : this.subschema(schema)]
      })
    )
  }

  /** A reference to a definition: to what stands anywhere else, one is made. */
  private reference($ref: string): string {
    if ($ref === "#") return $ref
    const known = this.names.get($ref)
    if (known !== undefined) return `#/$defs/${known}`
    const plain = $ref.replace(/^#\/(\$defs|definitions)\//, "").replace(/[^\w.-]+/g, "_")
    let name = plain
    for (let n = 2; this.definitions.has(name); n++) name = `${plain}_${n}`
    this.names.set($ref, name)
    // It may refer to itself.
    this.definitions.set(name, {})
    this.definitions.set(name, this.subschema(this.resolve($ref)))
    return `#/$defs/${name}`
  }

  private resolve($ref: string): unknown {
    let target: unknown = $ref.startsWith("#/") ? this.from : undefined
    for (const key of $ref.split("/").slice(1)) {
      const name = Option.getOrElse(decodeUri(key), () => key).replaceAll("~1", "/").replaceAll("~0", "~")
      target = Array.isArray(target) ? target[Number(name)] : objectOf(target)[name]
    }
    if (target === undefined) this.misfit ??= `the $ref "${$ref}"`
    return target
  }
}

const decodeUri = Option.liftThrowable(decodeURIComponent)

const always = () => true

const objectOf = (value: unknown): Json => Predicate.isReadonlyObject(value) ? { ...value } : {}

const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

const requiredOf = (schema: Json): ReadonlyArray<string> => listOf(schema["required"]).filter(Predicate.isString)

const isOf = (name: string, type: unknown): boolean => type === name || listOf(type).includes(name)

/** A schema of an older draft, or of OpenAPI, in the words of draft 2020-12. */
const modern = (schema: Json): Json => {
  const {
    additionalItems,
    exclusiveMaximum,
    exclusiveMinimum,
    items,
    maximum,
    minimum,
    nullable,
    required,
    type,
    ...rest
  } = schema
  const { properties } = rest
  const names = Array.isArray(type) ? type.filter((name) => types.has(name)) : types.has(String(type)) ? [type] : []
  const known = nullable === true && names.length > 0 && !names.includes("null") ? [...names, "null"] : names
  const needed = requiredOf(schema).filter((name) => properties === undefined || name in objectOf(properties))
  return {
    ...(known.length > 0 && { type: known.length === 1 && !Array.isArray(type) ? known[0] : known }),
    ...rest,
    ...bound("minimum", "exclusiveMinimum", minimum, exclusiveMinimum),
    ...bound("maximum", "exclusiveMaximum", maximum, exclusiveMaximum),
    ...(Array.isArray(items)
      ? { prefixItems: items, ...(additionalItems !== undefined && { items: additionalItems }) }
      : items !== undefined && { items: items === true ? {} : items }),
    ...(Array.isArray(required) && needed.length > 0 && { required: needed })
  }
}

// In draft 4, the exclusive bound is a boolean that is about the other.
const bound = (name: string, exclusiveName: string, inclusive: unknown, exclusive: unknown): Json =>
  exclusive === true
    ? { [exclusiveName]: inclusive }
    : {
      ...(inclusive !== undefined && { [name]: inclusive }),
      ...(typeof exclusive === "number" && { [exclusiveName]: exclusive })
    }
