// A company with the identity provider saml-idp, which every end of this process ends.
//
// PALISADE_URL and PALISADE_SECRET say where; PALISADE_IDP_CERT and PALISADE_IDP_KEY are the company's key.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { within } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_SECRET: secret } = process.env
const { PALISADE_IDP_CERT: cert, PALISADE_IDP_KEY: key } = process.env

/** Starts it at a free port of `host`; its address. */
export async function company(host) {
  const free = createServer().listen(0, host)
  await once(free, 'listening')
  const { port } = free.address()
  await new Promise((closed) => free.close(closed))
  const metadata = `${url}/auth/v1/sso/saml/metadata`
  const program = spawn(process.execPath, [
    'node_modules/saml-idp/bin/run.js', '--host', host, '--port', String(port), '--cert', cert, '--key', key,
    '--issuer', 'urn:company:idp', '--acsUrl', `${url}/auth/v1/sso/saml/acs`, '--audience', metadata,
    '--sloUrl', `${url}/auth/v1/sso/saml/slo`, '--serviceProviderId', metadata, '--configFile', join(import.meta.dirname, 'node_modules/saml-idp/config.js'),
  ], { cwd: import.meta.dirname, stdio: 'ignore' })
  process.on('exit', () => program.kill())
  return `http://${host}:${port}`
}

/** An administrator adds it by its own metadata, for the addresses of company.example; what it is called here. */
export async function addCompany(idp, more = {}) {
  await within(20_000, 'the identity provider to answer', () => fetch(`${idp}/metadata`).then((seen) => seen.ok, () => false))
  const xml = await (await fetch(`${idp}/metadata`)).text()
  const made = await fetch(`${url}/auth/v1/admin/sso/providers`, {
    method: 'POST',
    headers: { apikey: secret, authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'saml', metadata_xml: xml, domains: ['company.example'], ...more }),
  })
  assert.equal(made.status, 201, await made.clone().text())
  return (await made.json()).id
}
