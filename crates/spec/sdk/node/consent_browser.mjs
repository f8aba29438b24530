// The ways to sign in on our own consent page, in a real browser: another provider, a mail, a passkey, each behind a proof of
// work that the page's script finds.
//
// PALISADE_URL and PALISADE_SECRET say where.

import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { chromium } from './chromium.mjs'
import { claim, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_SECRET: secret } = process.env
const site = createServer((ask, answer) => {
  answer.setHeader('content-type', 'text/html')
  answer.end('<!doctype html><meta charset="utf-8"><title>A program</title>')
}).listen(0, 'localhost')
await once(site, 'listening')
const back = `http://localhost:${site.address().port}/program`
const run_name = Date.now().toString(36)
const password = 'Correct-Horse-9!Battery'
const browser = await chromium()
const { run, until, go, tell } = browser
const admin = (path, body) => fetch(`${url}/auth/v1/admin${path}`, {
  method: 'POST', headers: { apikey: secret, 'content-type': 'application/json' }, body: JSON.stringify(body),
}).then((answer) => answer.json())
const made = await admin('/oauth/clients', { client_name: 'The program', redirect_uris: [back] })
const person = async (name) => {
  const email = `${name}-${run_name}@example.com`
  const told = await admin('/users', { email, password, email_confirm: true })
  assert.ok(told.id, JSON.stringify(told))
  return email
}

/** Opens the page of a new request, at `host`. */
async function open(host) {
  const verifier = randomBytes(32).toString('base64url')
  const request = new URLSearchParams({
    client_id: made.client_id, redirect_uri: back, response_type: 'code', scope: 'openid email', state: 'st', prompt: 'consent',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  })
  const sent = await fetch(`${url}/auth/v1/oauth/authorize?${request}`, { redirect: 'manual' })
  const page = new URL(sent.headers.get('location'))
  page.hostname = host
  await go(page.href)
  await until('the ways', 'return document.getElementById("ways") !== null && document.readyState === "complete"')
  return { verifier }
}

/** Says yes as `email`, and exchanges the code. */
async function agree(email, { verifier }) {
  const asked = await until('the question', 'return document.querySelector("[value=approve]") && document.body.innerText')
  assert.ok(asked.includes(email), asked)
  assert.equal(await run('return location.hash'), '', 'no token stands in the address')
  await run('document.querySelector("[value=approve]").click(); return true')
  const returned = new URL(await until('the program', `return location.href.startsWith(${JSON.stringify(back)}) && location.href`))
  const answer = await fetch(`${url}/auth/v1/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${made.client_id}:${made.client_secret}`)}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', code: returned.searchParams.get('code'), redirect_uri: back, code_verifier: verifier }),
  })
  assert.equal(answer.status, 200, await answer.clone().text())
  const { id_token } = await answer.json()
  assert.equal(JSON.parse(Buffer.from(id_token.split('.')[1], 'base64url')).email, email)
}

/** Signs out on the page of another request, so that the next one begins with nobody. */
async function leave(host) {
  await tell('Network.clearBrowserCookies', {})
  await open(host)
}

/** The text of the newest mail to an address. */
async function mail(to) {
  for (let tries = 0; tries < 100; tries++) {
    const list = await (await fetch(`${url}/_/outbox`)).text()
    const mine = list.split('<li>').find((line) => line.includes(` to ${to},`))
    if (mine) return (await (await fetch(`${url}${/href="([^"]+)"/.exec(mine)[1]}`)).text()).replaceAll('&amp;', '&')
    await new Promise((wait) => setTimeout(wait, 100))
  }
  throw new Error(`no mail to ${to}`)
}
const fill = (form, fields) => run(`const form = document.querySelector('form[action$="${form}"]');
  for (const [name, value] of Object.entries(${JSON.stringify(fields)})) form.elements[name].value = value;
  form.querySelector('button').click(); return true`)

await claim('a password signs in once the page has found the proof of work', async () => {
  const email = await person('ann')
  const flow = await open('127.0.0.1')
  await fill('/sign-in', { email, password: 'Wrong-Horse-9!Battery' })
  const said = await until('the refusal', 'return document.body.innerText.includes("Invalid login") && document.body.innerText')
  assert.doesNotMatch(said, /captcha/i)
  await fill('/sign-in', { email, password })
  await agree(email, flow)
})

await claim('a provider signs in and comes back to the page', async () => {
  await leave('127.0.0.1')
  const flow = await open('127.0.0.1')
  const email = `bea-${run_name}@example.com`
  const who = encodeURIComponent(`bea-${run_name}~${email}~true~Bea`)
  assert.equal(await run('return document.querySelector("ul a").innerText'), 'Go on with Keycloak')
  await run(`const link = document.querySelector('ul a'); link.href += '&login_hint=${who}'; link.click(); return true`)
  await agree(email, flow)
})

await claim('whom a provider refuses is told so on the page', async () => {
  await leave('127.0.0.1')
  await run(`const link = document.querySelector('ul a'); link.href += '&login_hint=nobody'; link.click(); return true`)
  await until('the reason', 'return document.body.innerText.includes("You were not signed in there")')
})

await claim('the code of a mail signs in', async () => {
  const email = await person('cleo')
  await leave('127.0.0.1')
  const flow = await open('127.0.0.1')
  await fill('/mail', { email })
  await until('the form of the code', 'return document.querySelector("[name=code]") !== null')
  const code = /^\s*(\d{6})\s*$/m.exec(await mail(email))[1]
  await fill('/code', { code: code === '000000' ? '000001' : '000000' })
  await until('the refusal', 'return document.querySelector("[role=alert]")?.innerText.length > 0 && document.querySelector("[name=code]") !== null')
  await fill('/code', { code })
  await agree(email, flow)
})

await claim('so does the link of a mail, in this browser', async () => {
  const email = await person('dana')
  await leave('127.0.0.1')
  const flow = await open('127.0.0.1')
  await fill('/mail', { email })
  await until('the form of the code', 'return document.querySelector("[name=code]") !== null')
  await go(/(http\S+\?token=\S+)/.exec(await mail(email))[1])
  await until('the page of the link', 'return document.querySelector("form[action=verify]") !== null')
  await run('document.querySelector("button").click(); return true')
  await agree(email, flow)
})

await claim('a passkey signs in, and one of nobody does not', async () => {
  const email = await person('eve')
  await tell('WebAuthn.enable', { enableUI: false })
  const { authenticatorId } = await tell('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  })
  await leave('localhost')
  assert.equal(await run('return document.getElementById("passkey").hidden'), false)
  // Made as an application would make it, with a session of its own: here without our CAPTCHA, which is for strangers.
  const links = await admin('/generate_link', { type: 'magiclink', email })
  const granted = await (await fetch(`${url}/auth/v1/verify`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ type: 'magiclink', token_hash: links.hashed_token }),
  })).json()
  await run(`const send = async (path, body) => {
      const answer = await fetch('/auth/v1/passkeys/registration/' + path, { method: 'POST', credentials: 'omit',
        headers: { authorization: 'Bearer ${granted.access_token}', 'content-type': 'application/json' }, body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(await answer.text());
      return answer.json();
    };
    const { challenge_id, options } = await send('options', {});
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    await send('verify', { challenge_id, credential: credential.toJSON() }); return true`)
  const flow = await open('localhost')
  await run('document.getElementById("passkey").click(); return true')
  await agree(email, flow)
  await leave('localhost')
  const { credentials } = await tell('WebAuthn.getCredentials', { authenticatorId })
  await tell('WebAuthn.clearCredentials', { authenticatorId })
  await tell('WebAuthn.addCredential', {
    authenticatorId, credential: { ...credentials[0], credentialId: randomBytes(32).toString('base64') },
  })
  await run('document.getElementById("passkey").click(); return true')
  await until('the refusal', 'return [...document.querySelectorAll("[role=alert]")].some((one) => one.innerText.length > 0)')
  assert.equal(await run('return document.querySelector("[value=approve]")'), null)
})

await claim('a security key is the second factor, and only the very key', async () => {
  const email = await person('fay')
  const { authenticatorId } = await tell('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'usb', hasResidentKey: false, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  })
  await leave('localhost')
  const links = await admin('/generate_link', { type: 'magiclink', email })
  const granted = await (await fetch(`${url}/auth/v1/verify`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ type: 'magiclink', token_hash: links.hashed_token }),
  })).json()
  await run(`const send = async (path, body) => {
      const answer = await fetch('/auth/v1/factors' + path, { method: 'POST', credentials: 'omit',
        headers: { authorization: 'Bearer ${granted.access_token}', 'content-type': 'application/json' }, body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(await answer.text());
      return answer.json();
    };
    const { id } = await send('', { factor_type: 'webauthn', friendly_name: 'The <grey> key' });
    const { id: challenge_id, webauthn } = await send('/' + id + '/challenge', {});
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(webauthn.credential_options.publicKey);
    const made = await navigator.credentials.create({ publicKey });
    await send('/' + id + '/verify', { challenge_id, webauthn: { type: 'create', credential_response: made.toJSON() } }); return true`)
  const flow = await open('localhost')
  await fill('/sign-in', { email, password })
  const offered = await until('the key', 'return document.querySelector("[value=key]")?.innerText')
  assert.equal(offered, 'Use The <grey> key')
  assert.equal(await run('return document.querySelector("[value=approve]")'), null, 'a password alone lets no program in')
  const press = () => run('document.querySelector("[value=key]").click(); return true')
  // The same credential with another key, as whoever copied its number would have.
  const { credentials: [mine] } = await tell('WebAuthn.getCredentials', { authenticatorId })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const forged = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
  await tell('WebAuthn.clearCredentials', { authenticatorId })
  await tell('WebAuthn.addCredential', { authenticatorId, credential: { ...mine, privateKey: forged, signCount: mine.signCount + 10 } })
  await press()
  const told = await until('the refusal', 'return document.querySelector("[value=key]") && [...document.querySelectorAll("[role=alert]")].map((one) => one.innerText).join("")')
  assert.match(told, /credential/i)
  // None at all: the browser says so, and the page stays.
  await tell('WebAuthn.clearCredentials', { authenticatorId })
  await press()
  await until('the reason', 'return document.getElementById("said")?.innerText.length > 0 && !document.getElementById("key").disabled')
  await tell('WebAuthn.addCredential', { authenticatorId, credential: mine })
  await run('document.getElementById("key").click(); return true')
  await agree(email, flow)
  await tell('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
})

await claim('the page runs no script but its own', async () => {
  await leave('127.0.0.1')
  const ran = await run(`window.ran = false; const script = document.createElement('script'); script.textContent = 'window.ran = true';
    document.body.append(script); return window.ran`)
  assert.equal(ran, false)
})

browser.close()
site.close()
finish()
