// A list of claims, tried in order. Each is printed; the process fails if one did.

import { performance } from 'node:perf_hooks'

let kept = 0
const broken = []

/** Tries one claim; later ones are tried even when it fails. */
export async function claim(sentence, attempt) {
  const began = performance.now()
  try {
    await attempt()
    kept += 1
    console.log(`ok      ${sentence} (${Math.round(performance.now() - began)} ms)`)
  } catch (error) {
    broken.push(sentence)
    console.log(`not ok  ${sentence}\n        ${String(error?.stack ?? error).split('\n').slice(0, 12).join('\n        ')}`)
  }
}

/** The data of an answer that must have none of the client's errors. */
export function data(answer) {
  if (answer.error) {
    throw new Error(`${answer.status ?? ''} ${answer.error.code ?? ''} ${answer.error.message}`, { cause: answer.error })
  }
  return answer.data
}

/** Waits for something to become true, with a bound. */
export async function within(milliseconds, what, condition) {
  const end = performance.now() + milliseconds
  while (performance.now() < end) {
    if (await condition()) return
    await new Promise((resume) => setTimeout(resume, 25))
  }
  throw new Error(`not within ${milliseconds} ms: ${what}`)
}

export function finish() {
  console.log(`${kept} kept, ${broken.length} broken`)
  process.exit(broken.length === 0 ? 0 : 1)
}
