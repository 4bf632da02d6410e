/**
 * Ends what a program has started outside of its process group: an agent runs each command in a group of its own, and when the
 * agent is killed its commands go on. They are known by a mark in the environment that they have inherited, which Linux shows in
 * `/proc`; elsewhere they are not found.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"

/** The environment variable that holds the mark. */
export const markVariable = "EFFECT_IMODEL_RUN"

export const endStragglers = Effect.fnUntraced(function*(mark: string) {
  const pids = yield* pidsOf(`${markVariable}=${mark}`)
  if (pids.length === 0) return
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const ending = ChildProcess.make("/bin/sh", ["-c", termThenKill, "sh", ...pids], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore"
  })
  yield* Effect.ignore(spawner.exitCode(ending))
})

const termThenKill = "kill -s TERM -- \"$@\"; sleep 1; kill -s KILL -- \"$@\""

const pidsOf = Effect.fnUntraced(function*(marked: string) {
  const fs = yield* FileSystem.FileSystem
  const entries = yield* Effect.orElseSucceed(fs.readDirectory("/proc"), () => [])
  const found = yield* Effect.forEach(
    entries.filter((entry) => /^\d+$/.test(entry)),
    // The processes of others cannot be read, and some end in between.
    (pid) =>
      Effect.match(fs.readFileString(`/proc/${pid}/environ`), {
        onSuccess: (environment) => environment.split("\0").includes(marked) ? [pid] : [],
        onFailure: () => []
      }),
    { concurrency: 16 }
  )
  return found.flat()
})
