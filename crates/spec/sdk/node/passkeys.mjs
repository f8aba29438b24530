// Passkeys and a security key through the unmodified @supabase/supabase-js in a real browser: headless Chromium with a virtual
// authenticator, driven over its own protocol.
//
// PALISADE_URL and PALISADE_KEY say where. The page is served here, at http://localhost, as an application's would be.

import assert from 'node:assert/strict'
import { application } from './application.mjs'
import { chromium } from './chromium.mjs'
import { claim, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key } = process.env
const { site, home } = await application(`window.open_client = () => supabase.createClient(${JSON.stringify(url)}, ${JSON.stringify(key)}, {
  auth: { persistSession: false, autoRefreshToken: false, storageKey: String(Math.random()), experimental: { passkey: true } } })`)
const browser = await chromium()
const { run, until, go, tell } = browser
await go(home)
await until('the application', 'return typeof open_client === "function"')
await tell('WebAuthn.enable', { enableUI: false })
const plug = (transport) => tell('WebAuthn.addVirtualAuthenticator', {
  options: {
    protocol: 'ctap2', ctap2Version: 'ctap2_1', transport, hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  },
})
const { authenticatorId } = await plug('internal')
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

browser.close()
site.close()
finish()
