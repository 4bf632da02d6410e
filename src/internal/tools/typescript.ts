/** JSON schema as the types of TypeScript, for prompts: models read it better, and it takes fewer tokens. */
import * as Predicate from "effect/Predicate"

type Json = { readonly [key: PropertyKey]: unknown }

/** A type, as deep as the schema; a reference to itself is its name. */
export const typeOf = (schema: unknown): string =>
  render(schema, Predicate.isReadonlyObject(schema) ? schema : {}, [], "")

/** The fields of an object that must be there. */
export const requiredOf = (schema: unknown): ReadonlyArray<string> => {
  const required = Predicate.isReadonlyObject(schema) ? schema["required"] : undefined
  return Array.isArray(required) ? required.filter(Predicate.isString) : []
}

const render = (schema: unknown, root: Json, within: ReadonlyArray<string>, indent: string): string => {
  if (!Predicate.isReadonlyObject(schema)) return "unknown"
  const each = (schemas: ReadonlyArray<unknown>) => schemas.map((schema) => render(schema, root, within, indent))
  const { $ref, allOf, anyOf, const: constant, enum: literals, oneOf, type } = schema
  if (typeof $ref === "string") {
    const name = $ref.split("/").at(-1) ?? $ref
    return within.includes($ref) ? name : render(resolve(root, $ref), root, [...within, $ref], indent)
  }
  if (constant !== undefined) return JSON.stringify(constant)
  if (Array.isArray(literals)) return union(literals.map((literal) => JSON.stringify(literal)))
  const variants = anyOf ?? oneOf
  if (Array.isArray(variants)) return union(each(variants))
  if (Array.isArray(type)) return union(type.map((type: unknown) => render({ ...schema, type }, root, within, indent)))
  switch (type) {
    case "string":
    case "number":
    case "boolean":
    case "null":
      return type
    case "integer":
      return "number"
    case "array":
      return arrayOf(each([schema["items"]])[0] ?? "unknown")
    case "object":
      return objectOf(schema, root, within, indent)
  }
  if (schema["properties"] !== undefined) return objectOf(schema, root, within, indent)
  return Array.isArray(allOf) ? each(allOf).join(" & ") : "unknown"
}

const union = (types: ReadonlyArray<string>): string => [...new Set(types)].join(" | ")

const arrayOf = (type: string): string => /[|&]/.test(type) ? `Array<${type}>` : `${type}[]`

const objectOf = (schema: Json, root: Json, within: ReadonlyArray<string>, indent: string): string => {
  const { additionalProperties, properties } = schema
  const required = requiredOf(schema)
  const inner = `${indent}  `
  const fields = Object.entries(Predicate.isReadonlyObject(properties) ? properties : {}).map(([name, field]) => {
    const description = Predicate.isReadonlyObject(field) ? field["description"] : undefined
    const comment = typeof description === "string" ? `${inner}/** ${description.replace(/\s+/g, " ")} */\n` : ""
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
    return `${comment}${inner}${key}${required.includes(name) ? "" : "?"}: ${render(field, root, within, inner)}\n`
  })
  if (fields.length > 0) return `{\n${fields.join("")}${indent}}`
  return Predicate.isReadonlyObject(additionalProperties)
    ? `Record<string, ${render(additionalProperties, root, within, indent)}>`
    : "{}"
}

const resolve = (root: Json, ref: string): unknown => {
  let found: unknown = root
  for (const key of ref.split("/").slice(1)) {
    const name = key.replaceAll("~1", "/").replaceAll("~0", "~")
    found = Predicate.isReadonlyObject(found) ? found[name] : undefined
  }
  return found
}
