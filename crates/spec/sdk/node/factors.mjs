// Second factors through the unmodified @supabase/supabase-js: an authenticator app, recovery codes, a fresh proof.
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where. The authenticator app is this program's own (RFC 6238).

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const open = (with_key) =>
  createClient(url, with_key, {
    auth: { persistSession: false, autoRefreshToken: false, experimental: { passkey: true, recoveryCodes: true } },
  })
const email = `factors-${Date.now().toString(36)}@example.com`
const password = 'Correct-Horse-9!Battery'

const base32 = (text) => {
  const bits = [...text].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('')
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
}
// Each code is taken once: every call shows the code of a step that was not shown yet, within the one step that clocks may differ.
let last = 0
const code = async (shared) => {
  let step = Math.floor(Date.now() / 30000)
  while (step <= last) {
    if (step + 1 > last) { step += 1; break }
    await new Promise((wait) => setTimeout(wait, 500))
    step = Math.floor(Date.now() / 30000)
  }
  last = step
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', base32(shared)).update(counter).digest()
  const at = mac[19] & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1000000).padStart(6, '0')
}
const level = async (client) => data(await client.auth.mfa.getAuthenticatorAssuranceLevel())

const ann = open(key)
const admin = open(secret)
let factor, shared

data(await ann.auth.signUp({ email, password }))

await claim('enrolling gives a picture for the camera and a secret for the keyboard', async () => {
  const enrolled = data(await ann.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'phone' }))
  assert.equal(enrolled.type, 'totp')
  assert.match(enrolled.totp.qr_code, /^data:image\/svg\+xml;utf-8,<svg/)
  assert.match(enrolled.totp.uri, /^otpauth:\/\/totp\/.*secret=/)
  factor = enrolled.id
  shared = enrolled.totp.secret
})

await claim('an unverified factor is no level', async () => {
  assert.deepEqual(await level(ann), { currentLevel: 'aal1', nextLevel: 'aal1', currentAuthenticationMethods: (await level(ann)).currentAuthenticationMethods })
  assert.equal(data(await ann.auth.mfa.listFactors()).totp.length, 0)
})

await claim('a wrong code is refused as GoTrue refuses it', async () => {
  const { error } = await ann.auth.mfa.challengeAndVerify({ factorId: factor, code: '000000' })
  assert.equal(error?.code, 'mfa_verification_failed')
  assert.equal(error?.status, 422)
})

await claim('challenge and verify raise the session', async () => {
  const challenge = data(await ann.auth.mfa.challenge({ factorId: factor }))
  const shown = await code(shared)
  const raised = data(await ann.auth.mfa.verify({ factorId: factor, challengeId: challenge.id, code: shown }))
  assert.equal(raised.token_type, 'bearer')
  const now = await level(ann)
  assert.equal(now.currentLevel, 'aal2')
  assert.equal(now.currentAuthenticationMethods[0].method, 'totp')
  assert.equal(data(await ann.auth.mfa.listFactors()).totp.length, 1)
})

await claim('a name is one factor', async () => {
  const { error } = await ann.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'phone' })
  assert.equal(error?.code, 'mfa_factor_name_conflict')
})

await claim('a password alone stays at the first level, and changes no password', async () => {
  const again = open(key)
  data(await again.auth.signInWithPassword({ email, password }))
  const now = await level(again)
  assert.equal(now.currentLevel, 'aal1')
  assert.equal(now.nextLevel, 'aal2')
  const { error } = await again.auth.updateUser({ password: 'Another-Horse-9!Battery' })
  assert.equal(error?.code, 'insufficient_aal')
  data(await again.auth.mfa.challengeAndVerify({ factorId: factor, code: await code(shared) }))
  assert.equal((await level(again)).currentLevel, 'aal2')
  data(await again.auth.updateUser({ data: { name: 'Ann' } }))
})

await claim('an administrator lists and removes factors', async () => {
  const { user } = data(await ann.auth.getUser())
  const { factors } = data(await admin.auth.admin.mfa.listFactors({ userId: user.id }))
  assert.equal(factors.length, 1)
  data(await admin.auth.admin.mfa.deleteFactor({ userId: user.id, id: factor }))
  assert.equal(data(await admin.auth.admin.mfa.listFactors({ userId: user.id })).factors.length, 0)
})

await claim('its owner removes a factor', async () => {
  const bea = open(key)
  data(await bea.auth.signUp({ email: `b-${email}`, password }))
  const enrolled = data(await bea.auth.mfa.enroll({ factorType: 'totp' }))
  assert.equal(data(await bea.auth.mfa.unenroll({ factorId: enrolled.id })).id, enrolled.id)
})

finish()
