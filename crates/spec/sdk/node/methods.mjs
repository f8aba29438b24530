// What of the unmodified @supabase/auth-js no other program here calls, and that none of its methods is left out.
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where. Nobody may be asked at the provider's address: it is one that is public.

import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const run = Date.now().toString(36)
const open = (with_key = key) =>
  createClient(url, with_key, { auth: { persistSession: false, autoRefreshToken: false, experimental: { passkey: true, recoveryCodes: true } } })
const password = 'Correct-Horse-9!Battery'
const admin = open(secret).auth.admin
const address = (name) => `${name}-${run}@example.com`

async function person(name) {
  const client = open()
  data(await client.auth.signUp({ email: address(name), password }))
  return client
}

/** The code of an authenticator app now (RFC 6238). */
function code(shared) {
  const bits = [...shared].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)))
  const mac = createHmac('sha1', Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))).update(counter).digest()
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0')
}

await claim('no method of the client is without a program that calls it', async () => {
  const here = new URL('.', import.meta.url)
  const programs = fs.readdirSync(here).filter((name) => name.endsWith('.mjs'))
  const text = programs.map((name) => fs.readFileSync(new URL(name, here), 'utf8')).join('\n')
  const { auth } = open()
  // Its own clockwork and switches, and names for what others of its methods do.
  const apart = ['constructor', 'initialize', 'isThrowOnErrorEnabled', 'startAutoRefresh', 'stopAutoRefresh', 'dispose', 'fetchJwk', 'jwks', 'jwks_cached_at',
    'signInWithEthereum', 'signInWithSolana', 'linkIdentityOAuth', 'linkIdentityIdToken']
  const all = (of) => (of === Object.prototype ? [] : [...Object.getOwnPropertyNames(of), ...all(Object.getPrototypeOf(of))])
  const own = (of) => all(Object.getPrototypeOf(of)).filter((name) => !name.startsWith('_') && !apart.includes(name))
  const names = [...own(auth), ...own(auth.admin)]
  for (const part of [auth.mfa, auth.mfa.webauthn, auth.mfa.recoveryCodes, auth.oauth, auth.passkey, auth.admin.mfa, auth.admin.oauth, auth.admin.passkey,
    auth.admin.customProviders]) {
    names.push(...Object.keys(part).filter((name) => typeof part[name] === 'function'))
  }
  const missing = names.filter((name) => !new RegExp(`[.'\\[]${name}\\b`).test(text))
  assert.ok(names.length > 70, `${names.length} methods`)
  assert.deepEqual(missing, [])
})

await claim('recovery codes are made, counted, shown once, made anew and taken away', async () => {
  const ann = await person('codes')
  assert.equal((await ann.auth.mfa.recoveryCodes.generate()).error?.code, 'mfa_recovery_codes_sole_factor')
  const factor = data(await ann.auth.mfa.enroll({ factorType: 'totp' }))
  data(await ann.auth.mfa.challengeAndVerify({ factorId: factor.id, code: code(factor.totp.secret) }))
  const made = data(await ann.auth.mfa.recoveryCodes.generate({ friendlyName: 'paper' }))
  assert.deepEqual([made.type, made.total, made.codes.length], ['recovery_code', 10, 10])
  const again = open()
  data(await again.auth.signInWithPassword({ email: address('codes'), password }))
  assert.ok(data(await again.auth.mfa.recoveryCodes.verify({ code: made.codes[0].toUpperCase() })).access_token)
  assert.equal(data(await again.auth.mfa.getAuthenticatorAssuranceLevel()).currentLevel, 'aal2')
  assert.equal(data(await again.auth.mfa.recoveryCodes.getStatus()).remaining, 9)
  const third = open()
  data(await third.auth.signInWithPassword({ email: address('codes'), password }))
  assert.equal((await third.auth.mfa.recoveryCodes.verify({ code: made.codes[0] })).error?.code, 'mfa_verification_failed')
  assert.equal(data(await again.auth.mfa.recoveryCodes.regenerate()).codes.length, 10)
  assert.ok(data(await again.auth.mfa.recoveryCodes.unenroll()).id)
})

await claim('an administrator adds, changes and removes a provider, and its secret is told nobody', async () => {
  const [identifier, at] = [`custom:acme-${run}`, 'https://93.184.216.34']
  const added = data(await admin.customProviders.createProvider({
    provider_type: 'oauth2', identifier, name: 'Acme', client_id: 'c', client_secret: 'nobodys-business', scopes: ['email'],
    authorization_url: `${at}/a`, token_url: `${at}/t`, userinfo_url: `${at}/u`,
  }))
  assert.ok(!JSON.stringify(added).includes('nobodys-business'))
  const listed = async (of) => data(await admin.customProviders.listProviders(of)).providers.map((one) => one.identifier)
  assert.ok((await listed()).includes(identifier) && !(await listed({ type: 'oidc' })).includes(identifier))
  assert.equal(data(await admin.customProviders.getProvider(identifier)).name, 'Acme')
  assert.equal(data(await admin.customProviders.updateProvider(identifier, { name: 'Acme 2' })).name, 'Acme 2')
  data(await admin.customProviders.deleteProvider(identifier))
  assert.equal((await admin.customProviders.getProvider(identifier)).error?.code, 'custom_provider_not_found')
})

await claim('passkeys are listed, and what is none is refused by name', async () => {
  const ann = await person('keys')
  const { id: userId } = data(await ann.auth.getUser()).user
  assert.deepEqual([data(await ann.auth.passkey.list()), data(await admin.passkey.listPasskeys({ userId }))], [[], []])
  const passkeyId = randomUUID()
  for (const { error } of [
    await ann.auth.passkey.update({ passkeyId, friendlyName: 'x' }),
    await ann.auth.passkey.delete({ passkeyId }),
    await admin.passkey.deletePasskey({ userId, passkeyId }),
  ]) {
    assert.deepEqual([error?.status, error?.code], [404, 'validation_failed'])
  }
  const { challenge_id: challengeId } = data(await ann.auth.passkey.startRegistration())
  const credential = { id: 'AAAA', rawId: 'AAAA', type: 'public-key', clientExtensionResults: {}, response: { clientDataJSON: 'AAAA', attestationObject: 'AAAA' } }
  assert.ok((await ann.auth.passkey.verifyRegistration({ challengeId, credential })).error)
  const asked = data(await open().auth.passkey.startAuthentication())
  const shown = { ...credential, response: { clientDataJSON: 'AAAA', authenticatorData: 'AAAA', signature: 'AAAA' } }
  assert.ok((await open().auth.passkey.verifyAuthentication({ challengeId: asked.challenge_id, credential: shown })).error)
})

await claim('each kind of link that an administrator makes lets in once, by its hash and by its code', async () => {
  const email = address('links')
  for (const type of ['signup', 'magiclink', 'recovery', 'invite']) {
    const to = type === 'invite' ? address('guest') : email
    const link = async () => data(await admin.generateLink({ type, email: to, password })).properties
    const { hashed_token: token_hash, verification_type } = await link()
    assert.equal(data(await open().auth.verifyOtp({ token_hash, type: verification_type })).user.email, to)
    assert.equal((await open().auth.verifyOtp({ token_hash, type: verification_type })).error?.code, 'otp_expired')
    if (type === 'signup' || type === 'invite') continue
    assert.equal(data(await open().auth.verifyOtp({ email: to, token: (await link()).email_otp, type })).user.email, to)
  }
})

await claim('signOut of each scope, also by an administrator, and the application hears of its own', async () => {
  const ann = await person('ends')
  const [bea, cleo] = [open(), open()]
  for (const client of [bea, cleo]) data(await client.auth.signInWithPassword({ email: address('ends'), password }))
  const token = async (client) => data(await client.auth.getSession()).session.access_token
  const lives = async (shown) => !(await open().auth.getUser(shown)).error
  const [first, second, third] = [await token(ann), await token(bea), await token(cleo)]
  assert.ok(!(await admin.signOut(third, 'local')).error)
  assert.deepEqual([await lives(first), await lives(second), await lives(third)], [true, true, false])
  assert.ok(!(await admin.signOut(first, 'others')).error)
  assert.deepEqual([await lives(first), await lives(second)], [true, false])
  data(await bea.auth.signInWithPassword({ email: address('ends'), password }))
  const heard = []
  ann.auth.onAuthStateChange((event) => heard.push(event))
  const fourth = await token(bea)
  assert.ok(!(await ann.auth.signOut({ scope: 'global' })).error)
  assert.deepEqual([await lives(first), await lives(fourth)], [false, false])
  assert.ok(heard.includes('SIGNED_OUT'))
})

await claim('somebody without a name gets one, and is who they were', async () => {
  const ann = open()
  const { user } = data(await ann.auth.signInAnonymously({ options: { data: { colour: 'blue' } } }))
  assert.ok(user.is_anonymous && user.email === '')
  assert.equal((await ann.auth.updateUser({ password })).error?.code, 'validation_failed')
  const named = data(await ann.auth.updateUser({ email: address('anonymous') })).user
  assert.deepEqual([named.id, named.email, named.is_anonymous], [user.id, address('anonymous'), false])
  data(await ann.auth.updateUser({ password }))
  assert.equal(data(await open().auth.signInWithPassword({ email: address('anonymous'), password })).user.id, user.id)
})

await claim('each kind of message is sent again, or nothing is said of whether it was', async () => {
  for (const type of ['signup', 'email_change']) data(await open().auth.resend({ type, email: address('nobody') }))
  data(await open().auth.resend({ type: 'sms', phone: '4915100000000' }))
  data(await open().auth.resend({ type: 'phone_change', phone: '4915100000001' }))
})

finish()
