// signInWithSSO of the unmodified @supabase/supabase-js in a real browser, without PKCE: the application, the company's saml-idp and
// Palisade are at places of their own, and the company's is another site than Palisade's (localhost and 127.0.0.1).
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where; PALISADE_IDP_CERT and PALISADE_IDP_KEY are the company's key.

import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { application } from './application.mjs'
import { chromium } from './chromium.mjs'
import { claim, data, finish } from './claims.mjs'
import { addCompany, company } from './company.mjs'
import { throughTheCompany } from './saml_browser.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key } = process.env
const { site, home } = await application(
  `window.app = supabase.createClient(${JSON.stringify(url)}, ${JSON.stringify(key)}, { auth: { autoRefreshToken: false } })`,
)
const idp = await company('localhost')
await addCompany(idp)

const browser = await chromium()
const { run, until, go } = browser

await claim('signInWithSSO takes the page to the company and back, signed in', async () => {
  await go(`${home}/`)
  await until('the application', 'return typeof app === "object"')
  await run(`app.auth.signInWithSSO({ domain: 'company.example', options: { redirectTo: ${JSON.stringify(`${home}/welcome`)} } }); return true`)
  await until('the company', `return location.href.startsWith(${JSON.stringify(idp)}) && document.querySelector('form[method=post]') !== null`)
  await run(`document.querySelector('form[method=post]').submit(); return true`)
  const seen = await until('a session', `if (typeof app === 'undefined' || !location.href.startsWith(${JSON.stringify(home)})) return null;
    const { data } = await app.auth.getSession();
    return data.session ? { email: (await app.auth.getUser()).data.user?.email, address: location.href } : null`)
  assert.equal(seen.email, 'saml.jackson@example.com')
  assert.ok(seen.address.startsWith(`${home}/welcome`), seen.address)
})

await claim('a form that brings what somebody else began signs nobody in', async () => {
  await run('await app.auth.signOut(); return true')
  const attacker = createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } })
  const { url: signIn } = data(await attacker.auth.signInWithSSO({ domain: 'company.example', options: { redirectTo: `${home}/welcome` } }))
  const brought = await throughTheCompany(signIn, idp)
  await go(`${home}/`)
  await until('the application', 'return typeof app === "object"')
  await run(`const form = Object.assign(document.createElement('form'), { method: 'post', action: ${JSON.stringify(brought.action.href)} });
    for (const [name, value] of ${JSON.stringify([...brought.fields])}) {
      form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
    }
    document.body.append(form); form.submit(); return true`)
  const landed = await until('a refusal', `return !location.href.startsWith(${JSON.stringify(home)}) && location.href.includes('error_code=') && location.href`)
  assert.match(landed, /error_code=saml_relay_state_not_found/)
  await go(`${home}/`)
  await until('the application', 'return typeof app === "object"')
  assert.equal(await run('return (await app.auth.getSession()).data.session'), null)
})

browser.close()
site.close()
finish()
