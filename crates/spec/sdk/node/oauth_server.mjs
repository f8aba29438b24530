// Our own OAuth server through what other programs really use: npm's openid-client and oauth4webapi as third parties, and the
// unmodified @supabase/supabase-js as the application that asks its person, and as the administrator.
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where. Dynamic registration is on.

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const run = Date.now().toString(36)
const open = (with_key) => createClient(url, with_key, { auth: { persistSession: false, autoRefreshToken: false } })
const password = 'Correct-Horse-9!Battery'
const email = `ann-${run}@example.com`
const issuer = new URL(`${url}/auth/v1`)
const back = 'https://program.example/callback'
const admin = open(secret)
const ann = open(key)
data(await ann.auth.signUp({ email, password }))
const me = data(await ann.auth.getUser()).user

/** What the application's consent page does, with the client it was opened with. */
async function agree(to, answer = 'approveAuthorization') {
  const sent = await fetch(to, { redirect: 'manual' })
  assert.equal(sent.status, 302, await sent.text())
  const id = new URL(sent.headers.get('location')).searchParams.get('authorization_id')
  assert.ok(id, `no request in ${sent.headers.get('location')}`)
  const asked = data(await ann.auth.oauth.getAuthorizationDetails(id))
  if (asked.redirect_url) return new URL(asked.redirect_url)
  assert.equal(asked.authorization_id, id)
  assert.equal(asked.user.email, email)
  return new URL(data(await ann.auth.oauth[answer](id)).redirect_url)
}

let made

await claim('an administrator makes, finds, lists, changes and removes a client', async () => {
  made = data(await admin.auth.admin.oauth.createClient({ client_name: 'The program', redirect_uris: [back] }))
  assert.ok(made.client_secret && made.client_type === 'confidential')
  assert.equal(data(await admin.auth.admin.oauth.getClient(made.client_id)).client_name, 'The program')
  const listed = await admin.auth.admin.oauth.listClients({ page: 1, perPage: 10 })
  assert.ok(data(listed).clients.some((client) => client.client_id === made.client_id))
  const changed = data(await admin.auth.admin.oauth.updateClient(made.client_id, { client_name: 'Renamed' }))
  assert.equal(changed.client_name, 'Renamed')
  const other = data(await admin.auth.admin.oauth.regenerateClientSecret(made.client_id))
  assert.notEqual(other.client_secret, made.client_secret)
  made.client_secret = other.client_secret
  const gone = data(await admin.auth.admin.oauth.createClient({ client_name: 'Gone', redirect_uris: [back] }))
  assert.ok(!(await admin.auth.admin.oauth.deleteClient(gone.client_id)).error)
  assert.equal((await admin.auth.admin.oauth.getClient(gone.client_id)).error?.code, 'oauth_client_not_found')
  const wrong = await admin.auth.admin.oauth.createClient({ client_name: 'x', redirect_uris: ['javascript:alert(1)'] })
  assert.equal(wrong.error?.code, 'validation_failed')
  assert.ok((await ann.auth.admin.oauth.listClients()).error, 'nobody else')
})

let config

await claim('openid-client discovers, signs somebody in, verifies the ID token and reads userinfo', async () => {
  config = await openid.discovery(issuer, made.client_id, made.client_secret, undefined, { execute: [openid.allowInsecureRequests] })
  assert.ok(config.serverMetadata().supportsPKCE())
  const [verifier, state, nonce] = [openid.randomPKCECodeVerifier(), openid.randomState(), openid.randomNonce()]
  const to = openid.buildAuthorizationUrl(config, {
    redirect_uri: back, scope: 'openid email profile', state, nonce, max_age: '600',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  const returned = await agree(to)
  const tokens = await openid.authorizationCodeGrant(config, returned, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: 600, idTokenExpected: true,
  })
  assert.equal(tokens.claims().sub, me.id)
  assert.equal(tokens.claims().email, email)
  const told = await openid.fetchUserInfo(config, tokens.access_token, me.id)
  assert.deepEqual([told.email, told.email_verified], [email, true])
  const again = await openid.refreshTokenGrant(config, tokens.refresh_token)
  assert.ok(again.access_token && again.refresh_token !== tokens.refresh_token)
  await openid.tokenRevocation(config, again.refresh_token)
  await assert.rejects(openid.fetchUserInfo(config, again.access_token, me.id))
})

await claim('openid-client hears of a no, and of an answer that is somebody else\'s', async () => {
  const [verifier, state] = [openid.randomPKCECodeVerifier(), openid.randomState()]
  const to = openid.buildAuthorizationUrl(config, {
    redirect_uri: back, scope: 'openid phone', state, code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const denied = await agree(to, 'denyAuthorization')
  const grant = (from) => openid.authorizationCodeGrant(config, from, { pkceCodeVerifier: verifier, expectedState: state })
  await assert.rejects(grant(denied), (error) => error.error === 'access_denied')
  const mixed = await agree(to)
  mixed.searchParams.set('iss', 'https://evil.example')
  await assert.rejects(grant(mixed))
  const other = await agree(to)
  other.searchParams.set('state', 'another')
  await assert.rejects(grant(other))
})

await claim('oauth4webapi registers a public client by itself, finds us by RFC 8414 and signs in', async () => {
  const insecure = { [oauth.allowInsecureRequests]: true }
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  const server = await oauth.processDiscoveryResponse(issuer, found)
  const metadata = { redirect_uris: [back], client_name: 'Self-made', token_endpoint_auth_method: 'none' }
  const registered = await oauth.dynamicClientRegistrationRequest(server, metadata, insecure)
  const client = await oauth.processDynamicClientRegistrationResponse(registered)
  assert.ok(!client.client_secret)
  const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()]
  const to = new URL(server.authorization_endpoint)
  to.search = new URLSearchParams({
    client_id: client.client_id, redirect_uri: back, response_type: 'code', scope: 'email', state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  const params = oauth.validateAuthResponse(server, client, await agree(to), state)
  const exchange = () => oauth.authorizationCodeGrantRequest(server, client, oauth.None(), params, back, verifier, insecure)
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, await exchange())
  assert.equal(tokens.scope, 'email')
  const through = createClient(url, key, { accessToken: async () => tokens.access_token })
  const read = await through.from('projects').select('id').limit(1)
  assert.ok(!read.error, read.error?.message)
  // The same code again: refused, and what the first one gave is gone.
  await assert.rejects(oauth.processAuthorizationCodeResponse(server, client, await exchange()), (error) => error.error === 'invalid_grant')
  const info = await oauth.userInfoRequest(server, client, tokens.access_token, insecure)
  assert.equal(info.status, 403)
  // A confidential client registers with a secret, and says it wrongly.
  const kept = await oauth.processDynamicClientRegistrationResponse(
    await oauth.dynamicClientRegistrationRequest(server, { redirect_uris: [back] }, insecure))
  assert.ok(kept.client_secret)
  const wrong = await oauth.refreshTokenGrantRequest(server, kept, oauth.ClientSecretBasic('wrong'), 'x', insecure)
  // With a challenge in the answer the client reads that instead of the body.
  assert.equal(wrong.status, 401)
  assert.match(wrong.headers.get('www-authenticate'), /^Basic/)
})

await claim('somebody lists the programs they let in, and lets one go', async () => {
  const grants = data(await ann.auth.oauth.listGrants())
  const one = grants.find((grant) => grant.client.id === made.client_id)
  assert.deepEqual(one.scopes, ['openid', 'email', 'profile', 'phone'])
  assert.equal(one.client.name, 'Renamed')
  assert.ok(!(await ann.auth.oauth.revokeGrant({ clientId: made.client_id })).error)
  assert.ok(!data(await ann.auth.oauth.listGrants()).some((grant) => grant.client.id === made.client_id))
  assert.equal((await ann.auth.oauth.revokeGrant({ clientId: made.client_id })).error?.code, 'oauth_consent_not_found')
})

await claim('auth-js without a session is told so, and a request that is not there is not found', async () => {
  assert.equal((await open(key).auth.oauth.getAuthorizationDetails('x')).error?.name, 'AuthSessionMissingError')
  assert.equal((await ann.auth.oauth.getAuthorizationDetails('x')).error?.code, 'oauth_authorization_not_found')
})

finish()
