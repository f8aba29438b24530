/** A function that calls `call` once nobody has called it for `wait` milliseconds (1000); everybody who called gets that one's result. */
export function debounce<Args extends unknown[], Result>(
  call: (...args: Args) => Result,
  wait?: number,
): ((...args: Args) => Promise<Awaited<Result>>) & {
  /** Calls at once what waits. */
  flush(): void
  /** Calls nothing; those who wait are rejected with an AbortError. */
  cancel(): void
}

export interface WritesOnce {
  /** The same write again within so many milliseconds is one write (1000). */
  debounce?: number
  /** How often a write without an answer is sent again (3). */
  retries?: number
  /** What really sends. */
  fetch?: typeof fetch
}

/** A `fetch` whose writes happen once: for createClient(url, key, { global: { fetch: writesOnce() } }). */
export function writesOnce(options?: WritesOnce): typeof fetch
