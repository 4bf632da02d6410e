/** JSON schema as the types of TypeScript, for prompts: models read it better, and it takes fewer tokens. */
import * as Predicate from "effect/Predicate"

type Json = { readonly [key: PropertyKey]: unknown }

/** The type of a schema, and declarations of the recursive types in it. */
export const typeOf = (schema: unknown): { readonly type: string; readonly declarations: ReadonlyArray<string> } => {
  const context: Context = {
    root: Predicate.isReadonlyObject(schema) ? schema : {},
    names: new Map(),
    declarations: new Map()
  }
  const type = render(schema, context, [], "")
  return { type, declarations: Array.from(context.declarations, ([name, type]) => `type ${name} = ${type}`) }
}

interface Context {
  readonly root: Json
  /** The names of recursive types, by the references to them. */
  readonly names: Map<string, string>
  readonly declarations: Map<string, string>
}

/** A reference: the type in its place, or the name of a type that refers to itself. */
const referred = ($ref: string, context: Context, within: ReadonlyArray<string>, indent: string): string => {
  if (within.includes($ref)) return nameOf($ref, context.names)
  const known = context.names.get($ref)
  if (known !== undefined && context.declarations.has(known)) return known
  const target = resolve(context.root, $ref)
  const type = render(target, context, [...within, $ref], indent)
  const name = context.names.get($ref)
  if (name === undefined) return type
  context.declarations.set(name, render(target, context, [...within, $ref], ""))
  return name
}

const nameOf = ($ref: string, names: Map<string, string>): string => {
  const known = names.get($ref)
  if (known !== undefined) return known
  const plain = $ref === "#" ? "Args" : ($ref.split("/").at(-1) ?? "").replace(/[^\w$]/g, "_").replace(/^(?=\d|$)/, "_")
  const taken = new Set(names.values())
  let name = plain
  for (let n = 2; taken.has(name); n++) name = `${plain}_${n}`
  names.set($ref, name)
  return name
}

/** The fields of an object that must be there. */
export const requiredOf = (schema: unknown): ReadonlyArray<string> => {
  const required = Predicate.isReadonlyObject(schema) ? schema["required"] : undefined
  return Array.isArray(required) ? required.filter(Predicate.isString) : []
}

const render = (schema: unknown, context: Context, within: ReadonlyArray<string>, indent: string): string => {
  if (!Predicate.isReadonlyObject(schema)) return "unknown"
  const each = (schemas: ReadonlyArray<unknown>) => schemas.map((schema) => render(schema, context, within, indent))
  const { $ref, allOf, anyOf, const: constant, enum: literals, oneOf, type } = schema
  if (typeof $ref === "string") return referred($ref, context, within, indent)
  if (constant !== undefined) return JSON.stringify(constant)
  if (Array.isArray(literals)) return union(literals.map((literal) => JSON.stringify(literal)))
  const variants = anyOf ?? oneOf
  if (Array.isArray(variants)) return union(each(variants))
  if (Array.isArray(type)) {
    return union(type.map((type: unknown) => render({ ...schema, type }, context, within, indent)))
  }
  switch (type) {
    case "string":
    case "number":
    case "boolean":
    case "null":
      return type
    case "integer":
      return "number"
    case "array":
      return tupleOf(schema, each) ?? arrayOf(each([schema["items"]])[0] ?? "unknown")
    case "object":
      return objectOf(schema, context, within, indent)
  }
  if (schema["properties"] !== undefined) return objectOf(schema, context, within, indent)
  return Array.isArray(allOf) ? each(allOf).join(" & ") : "unknown"
}

const union = (types: ReadonlyArray<string>): string => [...new Set(types)].join(" | ")

const arrayOf = (type: string): string => /[|&]/.test(type) ? `Array<${type}>` : `${type}[]`

const objectOf = (schema: Json, context: Context, within: ReadonlyArray<string>, indent: string): string => {
  const { additionalProperties, properties } = schema
  const required = requiredOf(schema)
  const inner = `${indent}  `
  const fields = Object.entries(Predicate.isReadonlyObject(properties) ? properties : {}).map(([name, field]) => {
    const words = wordsOf(field)
    const comment = words === "" ? "" : `${inner}/** ${words} */\n`
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
    return `${comment}${inner}${key}${required.includes(name) ? "" : "?"}: ${render(field, context, within, inner)}\n`
  })
  if (fields.length > 0) return `{\n${fields.join("")}${indent}}`
  return Predicate.isReadonlyObject(additionalProperties)
    ? `Record<string, ${render(additionalProperties, context, within, indent)}>`
    : "{}"
}

/** A tuple, of `prefixItems`, or of `items` in the drafts before 2020-12. */
const tupleOf = (
  schema: Json,
  each: (schemas: ReadonlyArray<unknown>) => ReadonlyArray<string>
): string | undefined => {
  const { additionalItems, items, prefixItems } = schema
  const first = Array.isArray(prefixItems) ? prefixItems : items
  if (!Array.isArray(first)) return undefined
  const rest = Array.isArray(prefixItems) ? items : additionalItems
  const others = rest === false ? [] : [`...${arrayOf(each([rest])[0] ?? "unknown")}`]
  return `[${[...each(first), ...others].join(", ")}]`
}

/** What the type of a field does not say: its description, whether it is an integer, and its default. */
const wordsOf = (field: unknown): string => {
  if (!Predicate.isReadonlyObject(field)) return ""
  const { default: otherwise, description, type } = field
  const notes = [
    ...(type === "integer" ? ["integer"] : []),
    ...(otherwise === undefined ? [] : [`default: ${JSON.stringify(otherwise)}`])
  ].join(", ")
  const said = typeof description === "string" ? description.replace(/\s+/g, " ") : ""
  const words = said === "" ? notes : notes === "" ? said : `${said} (${notes})`
  return words.replaceAll("*/", "* /")
}

const resolve = (root: Json, ref: string): unknown => {
  let found: unknown = root
  for (const key of ref.split("/").slice(1)) {
    const name = key.replaceAll("~1", "/").replaceAll("~0", "~")
    found = Predicate.isReadonlyObject(found) ? found[name] : undefined
  }
  return found
}
