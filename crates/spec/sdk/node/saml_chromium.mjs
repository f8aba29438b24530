// signInWithSSO of the unmodified @supabase/supabase-js in a real browser, without PKCE: the application, the company's saml-idp and
// Palisade are at places of their own, and the company's is another site than Palisade's (localhost and 127.0.0.1).
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where; PALISADE_IDP_CERT and PALISADE_IDP_KEY are the company's key.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createClient } from '@supabase/supabase-js'
import { chromium } from './chromium.mjs'
import { claim, data, finish, within } from './claims.mjs'
import { throughTheCompany } from './saml_browser.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const { PALISADE_IDP_CERT: cert, PALISADE_IDP_KEY: idpKey } = process.env
const script = readFileSync(join(dirname(createRequire(import.meta.url).resolve('@supabase/supabase-js')), 'umd/supabase.js'))
const page = `<!doctype html><meta charset="utf-8"><title>An application</title><script src="/supabase.js"></script><script>
  window.app = supabase.createClient(${JSON.stringify(url)}, ${JSON.stringify(key)}, { auth: { autoRefreshToken: false } })
</script>`
const site = createServer((ask, answer) => {
  const is_script = ask.url === '/supabase.js'
  answer.setHeader('content-type', is_script ? 'text/javascript' : 'text/html')
  answer.end(is_script ? script : page)
}).listen(0, 'localhost')
await once(site, 'listening')
const home = `http://localhost:${site.address().port}`

const free = createServer().listen(0, 'localhost')
await once(free, 'listening')
const { port } = free.address()
await new Promise((closed) => free.close(closed))
const idp = `http://localhost:${port}`
const metadata = `${url}/auth/v1/sso/saml/metadata`
const program = spawn(process.execPath, [
  'node_modules/saml-idp/bin/run.js', '--host', 'localhost', '--port', String(port), '--cert', cert, '--key', idpKey,
  '--issuer', 'urn:company:idp', '--acsUrl', `${url}/auth/v1/sso/saml/acs`, '--audience', metadata,
  '--serviceProviderId', metadata, '--configFile', join(import.meta.dirname, 'node_modules/saml-idp/config.js'),
], { cwd: import.meta.dirname, stdio: 'ignore' })
process.on('exit', () => program.kill())
await within(20_000, 'the identity provider to answer', () => fetch(`${idp}/metadata`).then((seen) => seen.ok, () => false))
const made = await fetch(`${url}/auth/v1/admin/sso/providers`, {
  method: 'POST',
  headers: { apikey: secret, authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
  body: JSON.stringify({ type: 'saml', metadata_xml: await (await fetch(`${idp}/metadata`)).text(), domains: ['company.example'] }),
})
assert.equal(made.status, 201, await made.clone().text())

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
