// The pages that links lead to, in a real browser that reaches us over plain HTTP by a name that is not this machine's: it
// says nothing of where a request comes from but its Origin.
//
// PALISADE_URL and PALISADE_SECRET say where. What the browser sends is looked at on the way.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { chromium } from './chromium.mjs'
import { claim, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_SECRET: secret } = process.env
const at = new URL(url)
const seen = []
const between = createServer((ask, answer) => {
  seen.push({ method: ask.method, path: ask.url, ...ask.headers })
  const on = request({ host: at.hostname, port: at.port, method: ask.method, path: ask.url, headers: ask.headers }, (back) => {
    answer.writeHead(back.statusCode, back.headers)
    back.pipe(answer)
  })
  ask.pipe(on)
}).listen(0, '127.0.0.1')
await once(between, 'listening')
const far = `http://palisade.example:${between.address().port}`
const landed = []
const site = createServer((ask, answer) => {
  landed.push({ path: ask.url, ...ask.headers })
  answer.setHeader('content-type', 'text/html')
  answer.end('<!doctype html><title>An application</title>')
}).listen(0, '127.0.0.1')
await once(site, 'listening')
const home = `http://localhost:${site.address().port}`
const browser = await chromium(['--host-resolver-rules=MAP palisade.example 127.0.0.1'])
const { run, until, go } = browser

/** A link, as its mail would bring it, at the name that is far away. */
async function link(type) {
  const email = `${type}-${Date.now().toString(36)}@example.com`
  const made = await fetch(`${url}/auth/v1/admin/generate_link`, {
    method: 'POST',
    headers: { apikey: secret, authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type, email, password: 'Correct-Horse-9!Battery', redirect_to: `${home}/welcome` }),
  })
  const told = await made.json()
  assert.equal(made.status, 200, JSON.stringify(told))
  return { address: `${far}${new URL(told.action_link).pathname}${new URL(told.action_link).search}`, token: told.hashed_token }
}

await claim('the button of a link works over plain HTTP, and nobody hears of its token', async () => {
  for (const type of ['signup', 'magiclink', 'invite']) {
    const { address, token } = await link(type)
    seen.length = landed.length = 0
    await go(address)
    await until('the page', 'return document.querySelector("button") !== null')
    assert.equal(await run('return isSecureContext'), false, 'the name is nobody\'s own machine')
    await run('document.querySelector("button").click(); return true')
    const fragment = await until('the application', `return location.href.startsWith(${JSON.stringify(home)}) && location.hash`)
    assert.match(fragment, /access_token=/, fragment)
    const sent = seen.find((one) => one.method === 'POST')
    assert.equal(sent.origin, far)
    assert.equal(sent['sec-fetch-site'], undefined, 'browsers say nothing more over plain HTTP')
    for (const one of [...seen, ...landed]) {
      assert.ok(!(one.referer ?? '').includes(token), `${type}: ${one.referer}`)
    }
    // The browser asks for its icon too, with a referrer of the application's own; maybe only after the next link began.
    const welcomed = landed.filter((one) => one.path === '/welcome')
    assert.deepEqual(welcomed.map((one) => one.referer), [undefined])
  }
})

await claim('another site cannot send the form', async () => {
  const { token } = await link('magiclink')
  await go(`${home}/evil`)
  await until('the other site', `return location.href.startsWith(${JSON.stringify(home)})`)
  seen.length = 0
  await run(`document.body.innerHTML = '<form method="post" action="${far}/auth/v1/verify">' +
    '<input name="token" value="${token}"><input name="type" value="magiclink"></form>';
    document.querySelector('form').submit(); return true`)
  await until('the refusal', 'return document.body.innerText.includes("refused")')
  assert.equal(seen.find((one) => one.method === 'POST').origin, home)
})

browser.close()
between.close()
site.close()
finish()
