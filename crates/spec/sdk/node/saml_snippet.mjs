// AppFlowy's guide, its SAML block as printed: somebody signs in through saml-idp over HTTPS with the unmodified
// @supabase/supabase-js. Nothing is administered by hand: the provider is the one of the variables.
//
// PALISADE_URL and PALISADE_KEY say where; PALISADE_IDP_CERT and PALISADE_IDP_KEY are the provider's key, PALISADE_TLS_CERT
// and PALISADE_TLS_KEY those of its HTTPS, and the file PALISADE_PORT has its port.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish, within } from './claims.mjs'
import { bring, throughTheCompany } from './saml_browser.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key } = process.env
const { PALISADE_IDP_CERT: cert, PALISADE_IDP_KEY: idpKey, PALISADE_TLS_CERT: tls, PALISADE_TLS_KEY: tlsKey } = process.env
const port = readFileSync(process.env.PALISADE_PORT, 'utf8')
const idp = `https://localhost:${port}`

// As the guide's variables have it: /metadata, /saml/sso, and the name of this service.
const program = spawn(process.execPath, [
  'node_modules/saml-idp/bin/run.js', '--host', 'localhost', '--port', port, '--cert', cert, '--key', idpKey,
  '--https', '--httpsCert', tls, '--httpsPrivateKey', tlsKey, '--issuer', 'urn:company:idp',
  '--acsUrl', `${url}/auth/v1/sso/saml/acs`, '--audience', 'appflowy.company.com', '--serviceProviderId', 'appflowy.company.com',
  '--configFile', join(import.meta.dirname, 'node_modules/saml-idp/config.js'),
], { cwd: import.meta.dirname, stdio: 'ignore' })
process.on('exit', () => program.kill())

const client = createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } })

await claim('the settings say that SAML is on, and the provider of the variables is everybody\'s', async () => {
  await within(20_000, 'the identity provider to answer', () => fetch(`${idp}/metadata`).then((seen) => seen.ok, () => false))
  const settings = await (await fetch(`${url}/auth/v1/settings`, { headers: { apikey: key } })).json()
  assert.equal(settings.saml_enabled, true)
  // The provider answered after Palisade was up: it is looked for again every half minute.
  await within(60_000, 'the metadata to be read', async () => !(await client.auth.signInWithSSO({ domain: 'company.com' })).error)
})

await claim('signInWithSSO leads to GOTRUE_SAML_SSO_URL, as GOTRUE_SAML_ENTITY_ID, and to a session', async () => {
  const { url: signIn } = data(await client.auth.signInWithSSO({ domain: 'company.com' }))
  assert.ok(signIn.startsWith(`${idp}/saml/sso?`), signIn)
  const landed = await bring(await throughTheCompany(signIn, idp))
  assert.equal(landed.status, 302, `${landed.status} ${landed.headers.get('location')}`)
  const fragment = new URLSearchParams(new URL(landed.headers.get('location')).hash.slice(1))
  data(await client.auth.setSession({ access_token: fragment.get('access_token'), refresh_token: fragment.get('refresh_token') }))
  const { user } = data(await client.auth.getUser())
  assert.equal(user.email, 'saml.jackson@example.com')
  const metadata = await (await fetch(`${url}/auth/v1/sso/saml/metadata`)).text()
  assert.match(metadata, /entityID="appflowy\.company\.com"/)
})

await claim('an answer signs in once', async () => {
  const brought = await throughTheCompany(data(await client.auth.signInWithSSO({ domain: 'company.com' })).url, idp)
  assert.equal((await bring(brought)).status, 302)
  assert.equal((await bring(brought)).status, 303)
})

finish()
