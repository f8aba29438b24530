// Signing in through somebody else with the unmodified @supabase/supabase-js in Node: the application keeps the verifier, a browser
// (a jar of cookies that follows redirects) goes to the provider and back.
//
// PALISADE_URL and PALISADE_KEY say where; IDP is the issuer of the provider that is known as keycloak.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, IDP: idp } = process.env
const run = Date.now().toString(36)
const back = 'http://localhost:3000/welcome'
const password = 'Correct-Horse-9!Battery'

/** An application with a storage of its own, as a server-side framework keeps one in a person's cookies. */
function open() {
  const kept = new Map()
  const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) }
  return createClient(url, key, { auth: { flowType: 'pkce', storage, persistSession: true, autoRefreshToken: false, detectSessionInUrl: false, storageKey: randomBytes(4).toString('hex') } })
}

/** A browser: keeps cookies per place and goes where it is sent, until an address that begins with `until`. */
async function follow(from, until, jar = new Map()) {
  let at = from
  for (let steps = 0; steps < 20; steps++) {
    if (at.startsWith(until)) return new URL(at)
    const place = new URL(at).host
    const cookies = [...(jar.get(place) ?? new Map())].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(at, { redirect: 'manual', headers: cookies ? { cookie: cookies } : {} })
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';')
      const cut = pair.indexOf('=')
      if (!jar.has(place)) jar.set(place, new Map())
      jar.get(place).set(pair.slice(0, cut), pair.slice(cut + 1))
    }
    const to = answer.headers.get('location')
    assert.ok(to, `${answer.status} at ${at}: ${await answer.text()}`)
    at = new URL(to, at).href
  }
  throw new Error(`still going round at ${at}`)
}

const options = (who) => ({ redirectTo: back, skipBrowserRedirect: true, queryParams: { login_hint: who } })
const who = (name) => `${name}-${run}~${name}-${run}@example.com~true~${name}`

await claim('signInWithOAuth and exchangeCodeForSession sign somebody in', async () => {
  const app = open()
  const { url: to } = data(await app.auth.signInWithOAuth({ provider: 'keycloak', options: options(who('ann')) }))
  const returned = await follow(to, back)
  const { session, user } = data(await app.auth.exchangeCodeForSession(returned.searchParams.get('code')))
  assert.equal(user.email, `ann-${run}@example.com`)
  assert.ok(session.provider_token && user.app_metadata.provider === 'keycloak')
  assert.equal(data(await app.auth.getUser()).user.id, user.id)
  assert.ok(data(await app.auth.refreshSession()).session.access_token)
})

await claim('the code is worth nothing to an application without its verifier, nor twice', async () => {
  const [app, other] = [open(), open()]
  const enter = async () => {
    const { url: to } = data(await app.auth.signInWithOAuth({ provider: 'keycloak', options: options(who('bob')) }))
    return (await follow(to, back)).searchParams.get('code')
  }
  const code = await enter()
  assert.ok((await other.auth.exchangeCodeForSession(code)).error, 'no verifier')
  // Another verifier: refused, and the code is gone with the try.
  data(await other.auth.signInWithOAuth({ provider: 'keycloak', options: options(who('bob')) }))
  assert.equal((await other.auth.exchangeCodeForSession(code)).error?.code, 'bad_code_verifier')
  assert.ok((await app.auth.exchangeCodeForSession(code)).error)
  const good = await enter()
  data(await app.auth.exchangeCodeForSession(good))
  assert.ok((await app.auth.exchangeCodeForSession(good)).error, 'twice')
})

await claim('who says no comes back with an error, and an unknown provider is refused', async () => {
  const { url: to } = data(await open().auth.signInWithOAuth({ provider: 'keycloak', options: options('nobody') }))
  const returned = await follow(to, back)
  assert.equal(returned.searchParams.get('error'), 'access_denied')
  const { url: nowhere } = data(await open().auth.signInWithOAuth({ provider: 'google', options: options('x') }))
  const refused = await fetch(nowhere, { redirect: 'manual' })
  assert.equal(refused.status, 400)
})

await claim('linkIdentity, getUserIdentities and unlinkIdentity', async () => {
  const app = open()
  const email = `cleo-${run}@example.com`
  data(await app.auth.signUp({ email, password }))
  const { url: to } = data(await app.auth.linkIdentity({ provider: 'keycloak', options: { ...options(who('other')), queryParams: { login_hint: who('other') } } }))
  const returned = await follow(to, back)
  data(await app.auth.exchangeCodeForSession(returned.searchParams.get('code')))
  const { identities } = data(await app.auth.getUserIdentities())
  assert.deepEqual(identities.map((identity) => identity.provider).sort(), ['email', 'keycloak'])
  const linked = identities.find((identity) => identity.provider === 'keycloak')
  // The identity now opens the same account.
  const again = open()
  const { url: second } = data(await again.auth.signInWithOAuth({ provider: 'keycloak', options: options(who('other')) }))
  const entered = data(await again.auth.exchangeCodeForSession((await follow(second, back)).searchParams.get('code')))
  assert.equal(entered.user.email, email)
  assert.ok(!(await app.auth.unlinkIdentity(linked)).error)
  assert.deepEqual(data(await app.auth.getUserIdentities()).identities.map((identity) => identity.provider), ['email'])
  const last = data(await app.auth.getUserIdentities()).identities[0]
  assert.equal((await app.auth.unlinkIdentity(last)).error?.code, 'single_identity_not_deletable')
})

/** An ID token of the provider for one of its clients, as a native application gets one. */
async function id_token(person, nonce) {
  const verifier = randomBytes(32).toString('base64url')
  const native = 'http://127.0.0.1/callback'
  const ask = new URLSearchParams({
    client_id: 'palisade', response_type: 'code', scope: 'openid email profile', redirect_uri: native, state: 's',
    nonce: createHash('sha256').update(nonce).digest('hex'), login_hint: person,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  })
  const returned = await follow(`${idp}/auth?${ask}`, native)
  const answer = await fetch(`${idp}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', code: returned.searchParams.get('code'), redirect_uri: native, client_id: 'palisade',
      client_secret: 'a-secret-that-only-both-know', code_verifier: verifier,
    }),
  })
  return answer.json()
}

await claim('signInWithIdToken takes a token with its nonce, and none without', async () => {
  const nonce = randomBytes(16).toString('hex')
  const tokens = await id_token(who('dora'), nonce)
  const app = open()
  const given = { provider: 'keycloak', token: tokens.id_token }
  assert.ok((await app.auth.signInWithIdToken(given)).error, 'no nonce')
  assert.ok((await app.auth.signInWithIdToken({ ...given, nonce: 'another' })).error)
  const parts = tokens.id_token.split('.')
  const unsigned = `${parts[0]}.${parts[1]}.`
  assert.ok((await app.auth.signInWithIdToken({ ...given, token: unsigned, nonce })).error)
  const { user } = data(await app.auth.signInWithIdToken({ ...given, nonce, access_token: tokens.access_token }))
  assert.equal(user.email, `dora-${run}@example.com`)
})

finish()
