// Somebody signs in through their company with the unmodified @supabase/supabase-js and the identity provider of the
// npm package saml-idp, with a browser played by fetch: it follows forms as a browser would, and knows nothing of SAML.
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where; PALISADE_IDP_CERT and PALISADE_IDP_KEY are its key.

import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'
import { addCompany, company } from './company.mjs'
import { bring, throughTheCompany } from './saml_browser.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key } = process.env
const idp = await company('127.0.0.1')

let provider
await claim('an administrator adds the company by its own metadata', async () => {
  const keys = { first_name: { name: 'firstName' }, groups: { name: 'groups', array: true } }
  provider = await addCompany(idp, { attribute_mapping: { keys } })
})

await claim('signInWithSSO by domain leads through the company to a session', async () => {
  const client = createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } })
  const { url: signIn } = data(await client.auth.signInWithSSO({ domain: 'company.example' }))
  assert.ok(signIn.startsWith(idp), signIn)
  const landed = await bring(await throughTheCompany(signIn, idp))
  assert.equal(landed.status, 302, await landed.clone().text())
  const fragment = new URLSearchParams(new URL(landed.headers.get('location')).hash.slice(1))
  const tokens = { access_token: fragment.get('access_token'), refresh_token: fragment.get('refresh_token') }
  assert.ok(tokens.access_token, landed.headers.get('location'))
  data(await client.auth.setSession(tokens))
  const { user } = data(await client.auth.getUser())
  assert.equal(user.email, 'saml.jackson@example.com')
  assert.equal(user.app_metadata.provider, `sso:${provider}`)
  assert.equal(user.user_metadata.full_name, 'saml jackson')
  assert.equal(user.user_metadata.custom_claims.first_name, 'Saml')
  const { session } = data(await client.auth.refreshSession())
  assert.ok(session.access_token)
})

await claim('signInWithSSO by provider with PKCE ends in a code that this client exchanges', async () => {
  const kept = new Map()
  const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) }
  const client = createClient(url, key, { auth: { flowType: 'pkce', storage, autoRefreshToken: false } })
  const { url: signIn } = data(await client.auth.signInWithSSO({ providerId: provider }))
  const landed = await bring(await throughTheCompany(signIn, idp))
  const code = new URL(landed.headers.get('location')).searchParams.get('code')
  assert.ok(code, landed.headers.get('location'))
  const { user } = data(await client.auth.exchangeCodeForSession(code))
  assert.equal(user.email, 'saml.jackson@example.com')
  const again = await client.auth.exchangeCodeForSession(code)
  assert.ok(again.error)
})

await claim('the same answer signs in once, and a changed one never', async () => {
  const client = createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } })
  const begin = async () => throughTheCompany(data(await client.auth.signInWithSSO({ providerId: provider })).url, idp)
  const brought = await begin()
  assert.equal((await bring(brought)).status, 302)
  const replayed = await bring(brought)
  assert.equal(replayed.status, 303)
  assert.match(replayed.headers.get('location'), /error_code=saml_relay_state_not_found/)
  const changed = await begin()
  const xml = Buffer.from(changed.fields.get('SAMLResponse'), 'base64').toString().replaceAll('saml.jackson@', 'admin@')
  changed.fields.set('SAMLResponse', Buffer.from(xml).toString('base64'))
  const refused = await bring(changed)
  assert.equal(refused.status, 303)
  assert.ok(!refused.headers.get('location').includes('access_token'))
})

finish()
