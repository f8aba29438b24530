// Writes that happen once: a key for each, kept when it is sent again; and a debounce for what is typed or clicked.

const WRITES = new Set(['POST', 'PATCH', 'PUT', 'DELETE'])
const PATHS = /\/(rest\/v1|graphql\/v1|api\/v1\/(graphql|tables|rpc))(\/|\?|$)/

/** A function that calls `call` once nobody has called it for `wait` milliseconds; everybody who called gets that one's result. */
export function debounce(call, wait = 1000) {
  let timer
  let waiting = []
  let last
  const run = () => {
    const settled = waiting
    const { self, args } = last
    cancelTimer()
    waiting = []
    Promise.resolve()
      .then(() => call.apply(self, args))
      .then(
        (value) => settled.forEach(({ resolve }) => resolve(value)),
        (error) => settled.forEach(({ reject }) => reject(error)),
      )
  }
  const cancelTimer = () => {
    clearTimeout(timer)
    timer = undefined
  }
  function debounced(...args) {
    last = { self: this, args }
    cancelTimer()
    timer = setTimeout(run, wait)
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }
  /** Calls at once what waits. */
  debounced.flush = () => {
    if (timer !== undefined) run()
  }
  /** Calls nothing; those who wait hear that. */
  debounced.cancel = () => {
    cancelTimer()
    const error = new DOMException('The call was cancelled', 'AbortError')
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  return debounced
}

/**
 * A `fetch` for createClient(url, key, { global: { fetch: writesOnce() } }). Each write gets an Idempotency-Key; one that gets no
 * answer, or is told that it is still being carried out, is sent again with the same key. The same write again within
 * `debounce` milliseconds, as a double click sends it, is the same write: it is done once, and both get its answer.
 */
export function writesOnce({ debounce: window = 1000, retries = 3, fetch: fetchWith = globalThis.fetch } = {}) {
  const recent = new Map()
  return async (input, init) => {
    if (init?.body instanceof ReadableStream) return fetchWith(input, init)
    const request = new Request(input instanceof Request ? input.clone() : input, init)
    if (!WRITES.has(request.method) || !PATHS.test(new URL(request.url).pathname)) return fetchWith(input, init)
    const body = await request.clone().arrayBuffer()
    const headers = new Headers(request.headers)
    if (!headers.has('idempotency-key')) headers.set('idempotency-key', keyOf(recent, window, request, body))
    const again = { method: request.method, headers, signal: request.signal, credentials: request.credentials }
    if (body.byteLength > 0) again.body = body
    for (let tried = 0; ; tried++) {
      let answer
      try {
        answer = await fetchWith(request.url, again)
      } catch (error) {
        if (tried >= retries || request.signal.aborted) throw error
      }
      if (answer && (tried >= retries || !(await mayComeAgain(answer)))) return answer
      const seconds = Number(answer?.headers.get('retry-after')) || 0.25 * 2 ** tried
      await new Promise((resolve) => setTimeout(resolve, Math.min(seconds, 10) * 1000))
    }
  }
}

/** Whether an answer says that the same write is under way, or nothing about the write at all. */
async function mayComeAgain(answer) {
  if ([502, 503, 504].includes(answer.status)) return true
  if (answer.status !== 409) return false
  const said = await answer.clone().json().catch(() => ({}))
  return said.code === 'data.idempotency.running'
}

function keyOf(recent, window, request, body) {
  const now = Date.now()
  for (const [known, { at }] of recent) if (now - at >= window) recent.delete(known)
  const told = ['authorization', 'prefer', 'accept', 'content-profile'].map((name) => request.headers.get(name))
  const write = JSON.stringify([request.method, request.url, told, new TextDecoder().decode(body)])
  const key = recent.get(write)?.key ?? crypto.randomUUID()
  recent.set(write, { key, at: now })
  return key
}
