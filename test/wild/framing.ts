/** How servers frame the events of a stream. */

interface Framed {
  readonly text: string
  readonly contentType: string
}

type Framing = (text: string) => Framed

const eventStream = (change: (text: string) => string): Framing => (text) => ({
  text: change(text),
  contentType: "text/event-stream"
})

const under = (contentType: string): Framing => (text) => ({ text, contentType })

export const framings: ReadonlyArray<Framing> = [
  eventStream((text) => text),
  eventStream((text) => text.replaceAll("\n", "\r\n")),
  eventStream((text) => text.replaceAll("\n", "\r")),
  eventStream((text) => `\u{feff}: processing\n\n${text}`),
  eventStream((text) => text.replaceAll("data: ", "data:")),
  eventStream((text) => text.replaceAll("\n\n", "\n\n: ping\n\n")),
  eventStream((text) => text.replaceAll("\n\n", "\n\ndata: null\n\n")),
  eventStream((text) => text.replaceAll("\n\n", "\n\ndata:\n\n")),
  eventStream((text) => `retry: 3000\nid: 1\n${text}`),
  // The last event without its blank line, and without any.
  eventStream((text) => text.slice(0, -1)),
  eventStream((text) => text.slice(0, -2)),
  eventStream((text) => text.replace(/data: \[DONE\]\n\n$/, "")),
  eventStream((text) => text.replace(/data: \[DONE\]\n\n$/, "data: [DONE] \n\n")),
  eventStream((text) => text.replace(/\n\ndata: \[DONE\]\n\n$/, "")),
  under("application/json"),
  under("text/plain; charset=utf-8"),
  under("text/html")
]
