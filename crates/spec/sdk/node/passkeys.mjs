// Passkeys and a security key through the unmodified @supabase/supabase-js in a real browser: headless Chromium with a virtual
// authenticator, driven over its own protocol.
//
// PALISADE_URL and PALISADE_KEY say where. The page is served here, at http://localhost, as an application's would be.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { claim, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key } = process.env
const script = readFileSync(join(dirname(createRequire(import.meta.url).resolve('@supabase/supabase-js')), 'umd/supabase.js'))
const page = '<!doctype html><meta charset="utf-8"><title>An application</title><script src="/supabase.js"></script>'
const site = createServer((ask, answer) => {
  const is_script = ask.url === '/supabase.js'
  answer.setHeader('content-type', is_script ? 'text/javascript' : 'text/html')
  answer.end(is_script ? script : page)
}).listen(0, 'localhost')
await once(site, 'listening')

const home = mkdtempSync(join(tmpdir(), 'palisade-browser-'))
const browser = spawn(process.env.PALISADE_BROWSER ?? 'chromium', [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', `--user-data-dir=${home}`,
  '--remote-debugging-port=0', 'about:blank',
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
}
const ask = (method, params = {}, sessionId = undefined) => new Promise((done) => {
  waiting.set(++number, done)
  socket.send(JSON.stringify({ id: number, method, params, sessionId }))
})
const { targetId } = await ask('Target.createTarget', { url: `http://localhost:${site.address().port}/` })
const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true })
const tell = (method, params) => ask(method, params, sessionId)
await tell('WebAuthn.enable', { enableUI: false })
const plug = (transport) => tell('WebAuthn.addVirtualAuthenticator', {
  options: {
    protocol: 'ctap2', ctap2Version: 'ctap2_1', transport, hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  },
})
const { authenticatorId } = await plug('internal')
const run = async (body) => {
  const expression = `(async () => { const key = ${JSON.stringify(key)}, url = ${JSON.stringify(url)};
    window.open_client ??= () => supabase.createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false,
      storageKey: String(Math.random()), experimental: { passkey: true } } });
    ${body} })()`
  const { result, exceptionDetails } = await tell('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true, userGesture: true })
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
  return result.value
}
for (let tries = 0; tries < 100 && !(await run('return typeof supabase === "object"').catch(() => false)); tries++) {
  await new Promise((wait) => setTimeout(wait, 100))
}
const email = `passkeys-${Date.now().toString(36)}@example.com`

await claim('a person makes a passkey', async () => {
  const made = await run(`window.ann = open_client();
    const signed = await ann.auth.signUp({ email: ${JSON.stringify(email)}, password: 'Correct-Horse-9!Battery' });
    if (signed.error) throw signed.error;
    const { data, error } = await ann.auth.registerPasskey();
    if (error) throw error; return data`)
  assert.ok(made.id)
  const { credentials } = await tell('WebAuthn.getCredentials', { authenticatorId })
  assert.equal(credentials.length, 1)
  assert.equal(credentials[0].rpId, 'localhost')
  assert.ok(credentials[0].isResidentCredential)
})

await claim('the passkey signs in by itself, as one proof', async () => {
  const seen = await run(`window.again = open_client();
    const { data, error } = await again.auth.signInWithPasskey();
    if (error) throw error;
    const { data: level } = await again.auth.mfa.getAuthenticatorAssuranceLevel();
    return { email: data.user.email, level: level.currentLevel }`)
  assert.deepEqual(seen, { email, level: 'aal1' })
})

await claim('a device whose user is not verified does not sign in', async () => {
  await tell('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  const code = await run('const { error } = await open_client().auth.signInWithPasskey(); return error ? String(error.name) : "signed in"')
  assert.notEqual(code, 'signed in')
  await tell('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true })
})

await claim('a security key is a second factor, made and shown', async () => {
  await plug('usb')
  const level = await run(`const enrolled = await ann.auth.mfa.webauthn.register({ friendlyName: 'key' });
    if (enrolled.error) throw enrolled.error;
    const { data } = await ann.auth.mfa.getAuthenticatorAssuranceLevel(); return data.currentLevel`)
  assert.equal(level, 'aal2')
  const again = await run(`window.low = open_client();
    const { data: signed } = await low.auth.signInWithPassword({ email: ${JSON.stringify(email)}, password: 'Correct-Horse-9!Battery' });
    const factor = signed.user.factors.find((factor) => factor.factor_type === 'webauthn');
    const shown = await low.auth.mfa.webauthn.authenticate({ factorId: factor.id });
    if (shown.error) throw shown.error;
    const { data } = await low.auth.mfa.getAuthenticatorAssuranceLevel(); return data.currentLevel`)
  assert.equal(again, 'aal2')
})

socket.close()
browser.kill()
await once(browser, 'exit')
site.close()
rmSync(home, { recursive: true, force: true })
finish()
