// Signing in through somebody else with the unmodified @supabase/supabase-js in a real browser, and another program signing
// somebody in on our own page, which is all forms.
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where. The application's page is served here, at http://localhost.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { application } from './application.mjs'
import { chromium } from './chromium.mjs'
import { claim, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const { site, home } = await application(
  `window.app = supabase.createClient(${JSON.stringify(url)}, ${JSON.stringify(key)}, { auth: { flowType: 'pkce', autoRefreshToken: false } })`,
)
const run_name = Date.now().toString(36)
const who = (name) => `${name}-${run_name}~${name}-${run_name}@example.com~true~${name}`
const browser = await chromium()
const { run, until, go } = browser
const signed_in = (provider) => until('a session', `if (typeof app === 'undefined' || !location.href.startsWith(${JSON.stringify(home)})) return null;
  const { data } = await app.auth.getSession();
  return data.session && (await app.auth.getUser()).data.user?.identities.some((one) => one.provider === ${JSON.stringify(provider)})
    ? { email: data.session.user.email, address: location.href } : null`)

await claim('signInWithOAuth takes the page to the provider and back, signed in', async () => {
  await go(`${home}/`)
  await until('the application', 'return typeof app === "object"')
  await run(`app.auth.signInWithOAuth({ provider: 'keycloak', options: { redirectTo: ${JSON.stringify(`${home}/welcome`)},
    queryParams: { login_hint: ${JSON.stringify(who('ann'))} } } }); return true`)
  const seen = await signed_in('keycloak')
  assert.equal(seen.email, `ann-${run_name}@example.com`)
  assert.ok(seen.address.startsWith(`${home}/welcome`), seen.address)
})

await claim('linkIdentity takes a signed-in page there and back, and unlinkIdentity undoes it', async () => {
  await run('await app.auth.signOut(); return true')
  const email = `bea-${run_name}@example.com`
  await run(`const { error } = await app.auth.signUp({ email: ${JSON.stringify(email)}, password: 'Correct-Horse-9!Battery' }); if (error) throw error; return true`)
  await run(`app.auth.linkIdentity({ provider: 'keycloak', options: { redirectTo: ${JSON.stringify(`${home}/linked`)},
    queryParams: { prompt: 'login', login_hint: ${JSON.stringify(who('linked'))} } } }); return true`)
  const seen = await signed_in('keycloak')
  assert.equal(seen.email, email)
  const left = await run(`const { data } = await app.auth.getUserIdentities();
    const { error } = await app.auth.unlinkIdentity(data.identities.find((one) => one.provider === 'keycloak'));
    if (error) throw error;
    return (await app.auth.getUserIdentities()).data.identities.map((one) => one.provider)`)
  assert.deepEqual(left, ['email'])
})

await claim('another program signs somebody in on our own page, and its people go back to it', async () => {
  const back = `${home}/program`
  const admin = (path, body) => fetch(`${url}/auth/v1/admin${path}`, {
    method: 'POST', headers: { apikey: secret, 'content-type': 'application/json' }, body: JSON.stringify(body),
  }).then((answer) => answer.json())
  const made = await admin('/oauth/clients', { client_name: 'The <b>program</b>', redirect_uris: [back] })
  const email = `cleo-${run_name}@example.com`
  await admin('/users', { email, password: 'Correct-Horse-9!Battery', email_confirm: true })
  const verifier = randomBytes(32).toString('base64url')
  const request = new URLSearchParams({
    client_id: made.client_id, redirect_uri: back, response_type: 'code', scope: 'openid email', state: 'st',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  })
  await go(`${url}/auth/v1/oauth/authorize?${request}`)
  await until('the form', 'return document.querySelector("[name=password]") !== null')
  await run(`document.querySelector('[name=email]').value = ${JSON.stringify(email)};
    document.querySelector('[name=password]').value = 'Correct-Horse-9!Battery'; document.querySelector('form button').click(); return true`)
  const asked = await until('the question', 'return document.querySelector("[value=approve]") && document.body.innerText')
  assert.match(asked, /The <b>program<\/b> wants to sign you in/)
  assert.ok(asked.includes(email) && asked.includes(new URL(home).host), asked)
  await run('document.querySelector("[value=approve]").click(); return true')
  const returned = new URL(await until('the program', `return location.href.startsWith(${JSON.stringify(back)}) && location.href`))
  assert.equal(returned.searchParams.get('state'), 'st')
  const answer = await fetch(`${url}/auth/v1/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${made.client_id}:${made.client_secret}`)}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', code: returned.searchParams.get('code'), redirect_uri: back, code_verifier: verifier }),
  })
  assert.equal(answer.status, 200, await answer.clone().text())
  assert.ok((await answer.json()).id_token)
  // Next time nobody is asked: the browser is signed in, and the program was let in.
  await go(`${url}/auth/v1/oauth/authorize?${request}`)
  const again = new URL(await until('the program once more', `return location.href.startsWith(${JSON.stringify(back)}) && location.href`))
  assert.ok(again.searchParams.get('code') && again.searchParams.get('code') !== returned.searchParams.get('code'))
})

browser.close()
site.close()
finish()
