// A headless Chromium, driven over its own protocol, for the programs here that need a page.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Starts one with a page of its own, and `more` arguments; `run` evaluates there, `go` opens an address, `tell` is the protocol itself. */
export async function chromium(more = []) {
  const home = mkdtempSync(join(tmpdir(), 'palisade-browser-'))
  const browser = spawn(process.env.PALISADE_BROWSER ?? 'chromium', [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', `--user-data-dir=${home}`,
    '--remote-debugging-port=0', ...more, 'about:blank',
  ])
  let said = ''
  const address = await new Promise((found, lost) => {
    browser.on('error', lost)
    browser.on('exit', () => lost(new Error(`the browser ended: ${said}`)))
    browser.stderr.on('data', (data) => {
      said += data
      const line = /DevTools listening on (ws:\S+)/.exec(said)
      if (line) found(line[1])
    })
  })
  const socket = new WebSocket(address)
  await once(socket, 'open')
  let number = 0
  const waiting = new Map()
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(data)
    waiting.get(id)?.(error ? Promise.reject(new Error(error.message)) : result)
    waiting.delete(id)
  }
  const ask = (method, params = {}, sessionId = undefined) => new Promise((done) => {
    waiting.set(++number, done)
    socket.send(JSON.stringify({ id: number, method, params, sessionId }))
  })
  const { targetId } = await ask('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true })
  const tell = (method, params) => ask(method, params, sessionId)
  const run = async (body) => {
    const expression = `(async () => { ${body} })()`
    const { result, exceptionDetails } = await tell('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true, userGesture: true })
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }
  /** Waits until the page says something; a page that is being left says nothing. */
  const until = async (what, body, milliseconds = 30_000) => {
    const end = Date.now() + milliseconds
    while (Date.now() < end) {
      const value = await run(body).catch(() => undefined)
      if (value) return value
      await new Promise((resume) => setTimeout(resume, 50))
    }
    const seen = await run('return location.href + " " + document.body?.innerText.slice(0, 500)').catch(String)
    throw new Error(`not within ${milliseconds} ms: ${what}; the page is ${seen}`)
  }
  const go = (url) => tell('Page.navigate', { url })
  const close = () => {
    browser.removeAllListeners('exit')
    browser.kill()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
  return { run, until, go, close, tell }
}
