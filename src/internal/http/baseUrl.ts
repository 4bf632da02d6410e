/** The address of an API as people write it: with blanks, slashes, a query, a whole endpoint, or without its version. */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import { isNoCredential } from "../util/json.ts"

/** Where the API of a provider is. */
export interface Service {
  /** With the path that all of its endpoints share. */
  readonly address: string
  /** Whether it has this path wherever it runs. @default it has where the host is that of the `address`, or this machine */
  readonly isLocal?: boolean
}

/** An address, and what follows the path of each endpoint: nothing, or `?` and parameters. */
export interface BaseUrl {
  readonly baseUrl: string
  readonly query: string
}

const loopback = /^(localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0|host\.docker\.internal)$/

/** An endpoint that was pasted with the address. */
const endpoint = /\/(chat\/completions|completions|responses|embeddings|messages|(?<=\/v\d\w*\/)models)$/

/** The address as it is meant. One that is none is left as it is, to be refused. */
export const completed = (given: string, { address, isLocal = false }: Service): BaseUrl => {
  const trimmed = given.trim()
  const url = URL.parse(trimmed)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.hash !== "" || !isHarmless(url)) {
    return { baseUrl: trimmed, query: "" }
  }
  const own = new URL(address)
  const path = withoutEnd(withoutEnd(url.pathname).replace(endpoint, ""))
  const isKnown = isLocal || url.host === own.host || loopback.test(url.hostname)
  const isShort = path === "" || (url.host === own.host && own.pathname.startsWith(`${path}/`))
  return { baseUrl: `${url.origin}${isKnown && isShort ? withoutEnd(own.pathname) : path}`, query: literal(url.search) }
}

/** Whether the query of an address holds no credential, which would show wherever addresses are shown. */
const isHarmless = (url: URL): boolean =>
  [...url.searchParams.keys()].every((name) => isNoCredential(name) && !/^(key|k|sig|token)$/i.test(name))

/** A query in which no braces stand for a parameter of a path. */
const literal = (query: string): string => query.replaceAll("{", "%7B").replaceAll("}", "%7D")

/** An address without its query, if that holds no credential. */
export const withoutQuery = (given: string): string => {
  const url = URL.parse(given.trim())
  return url !== null && isHarmless(url) ? given.replace(/\?[^#]*/s, "") : given
}

/** An address without the slashes at its end. */
export const withoutEnd = (address: string): string => {
  let end = address.length
  while (address[end - 1] === "/") end--
  return address.slice(0, end)
}

/** The first of these environment variables that is set, and not blank. */
export const addressIn = (
  variables: ReadonlyArray<string>,
  otherwise: Config.Config<string>
): Config.Config<string> =>
  variables.reduceRight(
    (otherwise, name) => orElse(Config.option(Config.String(name)), otherwise),
    otherwise
  )

const orElse = (
  found: Config.Config<Option.Option<string>>,
  otherwise: Config.Config<string>
): Config.Config<string> =>
  Config.map(
    Config.all([found, otherwise]),
    ([found, otherwise]) => Option.getOrElse(Option.filter(found, (value) => value.trim() !== ""), () => otherwise)
  )

/** What `OLLAMA_HOST` means to a client: a host, a port, or both, and perhaps the address that a server listens on. */
export const ollamaHost = (given: string): string => {
  const host = given.trim()
  if (/^https?:\/\//i.test(host)) return reachable(host)
  const named = host.startsWith(":") ? `127.0.0.1${host}` : host
  const [authority = "", ...path] = named.split("/")
  return reachable(`http://${/:\d+$/.test(authority) ? authority : `${authority}:11434`}/${path.join("/")}`)
}

// Servers listen on all addresses of a machine by these, which are none to connect to.
const reachable = (address: string): string => address.replace(/\/\/(0\.0\.0\.0|\[::\])(?=[:/]|$)/, "//127.0.0.1")
