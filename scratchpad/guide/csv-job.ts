/**
 * A resumable CSV job: a run that is killed is continued by the next, which pays for no answer again.
 *
 *     npm run guide -- csv-job
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, FileSystem, Layer, Redacted, Schema, Stream } from "effect"
import { Csv } from "effect/encoding"
import { iModel, OpenAi, Simulator } from "effect-imodel"

const Review = Schema.Struct({ id: Schema.String, review: Schema.String })
const Verdict = Schema.Struct({ verdict: Schema.Literals(["good", "bad"]) })
const Line = Schema.fromJsonString(Schema.Struct({ id: Schema.String, ...Verdict.fields }))

/** Each answer is appended to the journal as it comes. Rows without one are asked for again by the next run. */
const job = Effect.fnUntraced(function*(input: string, journal: string) {
  const fs = yield* FileSystem.FileSystem
  const { capacity } = yield* iModel.iModel
  const written = yield* Effect.orElseSucceed(fs.readFileString(journal), () => "")
  const lines = written.split("\n").filter((line) => line.endsWith("}")) // the last may be cut
  const known = new Set(
    yield* Effect.forEach(lines, (line) => Effect.map(Schema.decodeEffect(Line)(line), ({ id }) => id))
  )

  const classify = Effect.fnUntraced(function*({ id, review }: typeof Review.Type) {
    const { value } = yield* iModel.respondAs(Verdict, { prompt: `Is this review good or bad? ${review}` })
    yield* fs.writeFileString(journal, `\n${yield* Schema.encodeEffect(Line)({ id, ...value })}`, { flag: "a" })
  }, (row, { id }) => Effect.catchTag(row, "BackendError", ({ message }) => Console.log(`row ${id}: ${message}`)))

  yield* fs.stream(input).pipe(
    Stream.pipeThroughChannel(Csv.decodeSchema(Review)({ headers: true })),
    Stream.filter(({ id }) => !known.has(id)),
    Stream.mapEffect(classify, { concurrency: capacity, unordered: true }),
    Stream.runDrain
  )
})

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const [input, journal] = [`${folder}/reviews.csv`, `${folder}/verdicts.ndjson`]
  yield* fs.writeFileString(input, `id,review\n${Array.from({ length: 40 }, (_, i) => `${i},Review ${i}`).join("\n")}`)

  const run = Effect.gen(function*() {
    yield* job(input, journal).pipe(Effect.timeoutOption("400 millis")) // as if it were killed
    const { seen } = yield* Simulator.Simulator
    const written = yield* Effect.orElseSucceed(fs.readFileString(journal), () => "")
    const verdicts = written.split("\n").filter((line) => line !== "").length
    yield* Console.log(`${verdicts} of 40 verdicts, ${(yield* seen).admitted} requests so far`)
    return verdicts
  })
  while ((yield* run) < 40);
})

const model = iModel.layer({ limitRequests: 15, capacityRefreshTime: "1 second", concurrency: 5 }).pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") })),
  Layer.provideMerge(Simulator.layerHttpClient({ answer: () => JSON.stringify({ verdict: "good" }) }))
)

program.pipe(Effect.scoped, Effect.provide([model, NodeServices.layer]), NodeRuntime.runMain)
