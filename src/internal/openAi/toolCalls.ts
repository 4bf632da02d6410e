/**
 * Puts the pieces of tool calls together. A call is documented to have an index in all of its pieces, and an id and a name in the
 * first. In fact any of them may be missing, repeated or wrong, so that a piece is assigned by all that it has.
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { CallId, CallIds } from "../chat/callIds.ts"
import { parseJson } from "../http/failure.ts"
import type { PartWriter } from "../chat/partWriter.ts"
import { callMetadata } from "./answer.ts"
import type { ChatChunk, ChatCompletion } from "./schema.ts"
import { type CallExtras, callExtrasOf } from "./sentBack.ts"

type Delta = NonNullable<NonNullable<NonNullable<(typeof ChatChunk.Type)["choices"]>[number]["delta"]>["tool_calls"]>
type Piece = Delta[number]
type ToolCall = NonNullable<(typeof ChatCompletion.Type)["choices"][number]["message"]["tool_calls"]>[number]

interface Draft {
  /** The key of its parameters in the {@link PartWriter}. */
  readonly key: string
  /** The provider's id; `undefined` until it comes. */
  own: string | undefined
  /** Of the parts. */
  id: CallId | undefined
  /** Whether its parts have begun. They begin with the arguments: until then more of the name may come. */
  hasBegun: boolean
  name: string
  written: string
  extras: CallExtras
}

export class ToolCallDrafts {
  private readonly drafts: Array<Draft> = []
  private readonly numbered = new Map<number, Draft>()
  /** The name of a call whose arguments have not begun, if it is a call. */
  private announced: string | undefined
  private readonly idOf: CallIds
  private readonly choice: number
  /** `undefined` where the calls are not handed out. */
  private readonly parts: PartWriter | undefined

  constructor(choice: number, idOf: CallIds, parts: PartWriter | undefined) {
    this.choice = choice
    this.idOf = idOf
    this.parts = parts
  }

  add(pieces: ReadonlyArray<Piece>): void {
    for (const [position, piece] of pieces.entries()) {
      const written = writtenOf(piece)
      const name = piece.function?.name || undefined
      const draft = this.draftOf(piece, name, written, position > 0)
      if (draft === undefined) continue
      if (piece.id && draft.own === undefined && !draft.hasBegun) {
        draft.own = piece.id
        draft.id = this.idOf(piece.id)
      }
      if (name !== undefined && !draft.hasBegun) draft.name = joinedName(draft.name, name)
      draft.extras = callExtrasOf(piece) ?? draft.extras
      if (written === "") continue
      draft.written += written
      if (draft.hasBegun) this.parts?.toolParams(draft.key, written)
      else if (draft.name !== "") this.begin(draft)
    }
  }

  /** Whether each call has a name. */
  get isWhole(): boolean {
    return this.drafts.every(({ name, written }) => name !== "" || written === "")
  }

  /** Ends the parts, and answers with the calls. */
  end(): ReadonlyArray<ToolCall> {
    this.beginNamed()
    const calls = this.drafts.filter(({ name }) => name !== "")
    for (const { extras, id, key } of calls) this.parts?.endTool(key, { ...callMetadata(extras), ...id?.metadata })
    return calls.map(callOf)
  }

  private beginNamed(): void {
    for (const draft of this.drafts) if (!draft.hasBegun && draft.name !== "") this.begin(draft)
  }

  private begin(draft: Draft): void {
    const { id } = draft.id ??= this.idOf(draft.own)
    draft.hasBegun = true
    this.parts?.beginTool(draft.key, { id, name: draft.name })
    this.parts?.toolParams(draft.key, draft.written)
  }

  /** The call that a piece belongs to; `undefined` for a piece that adds nothing to one. */
  private draftOf(
    { id, index }: Piece,
    name: string | undefined,
    written: string,
    isFurther: boolean
  ): Draft | undefined {
    const identified = id ? this.drafts.findLast(({ own }) => own === id) : undefined
    if (identified !== undefined) {
      if (name === undefined || written === "" || !isComplete(identified)) return identified
      return written === identified.written ? undefined : this.make(index)
    }
    const numbered = index == null ? undefined : this.numbered.get(index)
    if (numbered !== undefined) {
      const isOther = id && numbered.own !== undefined && name !== undefined && name !== numbered.name
      return isOther ? this.make(index) : this.continued(numbered, index, name, written)
    }
    const last = this.drafts.at(-1)
    if (last === undefined) return this.make(index)
    if (id) {
      // Some give each piece an id of its own.
      const isContinued = index == null && name === undefined && last.written !== "" && written !== ""
      return isContinued && !isComplete(last) ? last : this.make(index)
    }
    if (name !== undefined && (index != null || isFurther)) return this.make(index)
    return this.continued(last, index, name, written)
  }

  /** A piece that may continue a call, or begin the next one when the call is complete. */
  private continued(
    draft: Draft,
    index: number | null | undefined,
    name: string | undefined,
    written: string
  ): Draft | undefined {
    if ((name === undefined && written.trim() === "") || !isComplete(draft)) return draft
    // An empty object may be a placeholder.
    if (name === undefined) return draft.written.trim() === "{}" ? draft : this.make(index, this.announced)
    if (written !== "" || name !== draft.name) return this.make(index)
    // It repeats the name, or begins another call of the same tool.
    this.announced = name
    return undefined
  }

  private make(index: number | null | undefined, name = ""): Draft {
    this.beginNamed()
    this.announced = undefined
    const key = `${this.choice}.${this.drafts.length}`
    const draft: Draft = { key, own: undefined, id: undefined, hasBegun: false, name, written: "", extras: {} }
    this.drafts.push(draft)
    if (index != null) this.numbered.set(index, draft)
    return draft
  }
}

const callOf = ({ extras, id, name, own, written }: Draft): ToolCall => ({
  id: own ?? id?.id,
  type: "function",
  function: { name, arguments: written },
  ...extras
})

const writtenOf = ({ function: called }: Piece): string => {
  const written = called?.arguments
  return written == null ? "" : typeof written === "string" ? written : JSON.stringify(written)
}

/** A name may come in pieces, as a whole in each piece, or longer each time. */
const joinedName = (before: string, name: string): string =>
  name.startsWith(before) ? name : before.startsWith(name) ? before : before + name

const isComplete = ({ written }: Draft): boolean =>
  written.trimEnd().endsWith("}") && Option.exists(parseJson(written), Predicate.isObject)
