// Links and codes through the unmodified @supabase/supabase-js, with mails from a real mail server.
//
// PALISADE_URL, PALISADE_KEY, PALISADE_SECRET and PALISADE_MAILS say where. Only the button of a page is pressed by hand.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish, within } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret, PALISADE_MAILS: mails } = process.env
const run = 'n' + Date.now().toString(36)
const memory = () => {
  const kept = new Map()
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value), removeItem: (name) => void kept.delete(name) }
}
const open = (with_key = key, auth = {}) =>
  createClient(url, with_key, { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false, ...auth } })
const password = 'Correct-Horse-9!Battery'
const ann = `ann-${run}@example.com`
const count = { [ann]: 0 }

/** The text of the next mail to an address. */
async function next(to) {
  count[to] = (count[to] ?? 0) + 1
  let mine = []
  await within(10000, `${count[to]} mails to ${to}`, () => {
    const files = fs.readdirSync(mails).filter((name) => name.endsWith('.eml')).sort()
    mine = files.map((name) => fs.readFileSync(path.join(mails, name), 'utf8')).filter((mail) => mail.includes(`To: ${to}\r\n`))
    return mine.length >= count[to]
  })
  const part = mine[count[to] - 1].split(/Content-Type: text\/plain[^]*?\r\n\r\n/)[1].split('\r\n--')[0]
  return part.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
}
const code = (text) => /^\s*(\d{6})\s*$/m.exec(text)[1]
const link = (text) => new URL(/(http\S+\?token=\S+)/.exec(text)[1])

/** Opens the page a link leads to, presses its button, and says where that leads. */
async function press(text) {
  const page = link(text)
  for (let look = 0; look < 3; look += 1) assert.equal((await fetch(page)).status, 200)
  const answer = await fetch(new URL(page.pathname, page), { method: 'POST', body: page.searchParams, redirect: 'manual' })
  assert.equal(answer.status, 303)
  return new URL(answer.headers.get('location'))
}

await claim('a new account waits for its confirmation', async () => {
  const { user, session } = data(await open().auth.signUp({ email: ann, password }))
  assert.equal(user.email, ann)
  assert.equal(session, null)
  const { error } = await open().auth.signInWithPassword({ email: ann, password })
  assert.equal(error.code, 'email_not_confirmed')
})

await claim('the confirmation is sent again, and its code signs in', async () => {
  await next(ann)
  data(await open().auth.resend({ type: 'signup', email: ann }))
  const { session } = data(await open().auth.verifyOtp({ type: 'signup', email: ann, token: code(await next(ann)) }))
  assert.ok(session.access_token)
})

await claim('signing up again says nothing new and tells the owner', async () => {
  const { user } = data(await open().auth.signUp({ email: ann, password }))
  assert.equal(user.email, ann)
  assert.match(await next(ann), /You have one/)
})

await claim('signInWithOtp: the code signs in', async () => {
  data(await open().auth.signInWithOtp({ email: ann }))
  const { user } = data(await open().auth.verifyOtp({ type: 'email', email: ann, token: code(await next(ann)) }))
  assert.equal(user.email, ann)
})

await claim('signInWithOtp: the link signs in by its fragment', async () => {
  data(await open().auth.signInWithOtp({ email: ann, options: { emailRedirectTo: 'http://localhost:3000/welcome' } }))
  const to = await press(await next(ann))
  assert.equal(to.origin + to.pathname, 'http://localhost:3000/welcome')
  const tokens = new URLSearchParams(to.hash.slice(1))
  const client = open()
  data(await client.auth.setSession({ access_token: tokens.get('access_token'), refresh_token: tokens.get('refresh_token') }))
  assert.equal(data(await client.auth.getUser()).user.email, ann)
})

await claim('signInWithOtp: the token hash signs in', async () => {
  data(await open().auth.signInWithOtp({ email: ann }))
  const token_hash = link(await next(ann)).searchParams.get('token')
  assert.equal(data(await open().auth.verifyOtp({ type: 'email', token_hash })).user.email, ann)
})

await claim('a wrong code is refused by name, in the shape that clients ask for', async () => {
  const { error } = await open().auth.verifyOtp({ type: 'email', email: ann, token: '000000' })
  assert.equal(error.code, 'otp_expired')
  assert.equal(error.status, 403)
  const old = await fetch(`${url}/auth/v1/verify`, {
    method: 'POST', headers: { apikey: key, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'email', email: ann, token: '000000' }),
  })
  const body = await old.json()
  assert.deepEqual([body.code, body.error_code], [403, 'otp_expired'])
})

await claim('exchangeCodeForSession: a recovery comes back to the client that asked', async () => {
  const client = open(key, { flowType: 'pkce', persistSession: true, storage: memory() })
  data(await client.auth.resetPasswordForEmail(ann, { redirectTo: 'http://localhost:3000/reset' }))
  const mail = await next(ann)
  const to = await press(mail)
  const stranger = open(key, { flowType: 'pkce', persistSession: true, storage: memory() })
  assert.ok((await stranger.auth.exchangeCodeForSession('00000000-0000-4000-8000-000000000000')).error)
  const { user } = data(await client.auth.exchangeCodeForSession(to.searchParams.get('code')))
  assert.equal(user.email, ann)
  data(await client.auth.updateUser({ password: 'Another-Horse-9!Battery' }))
  assert.match(await next(ann), /was changed/)
  const again = await press(mail)
  assert.equal(new URLSearchParams(again.hash.slice(1)).get('error_code'), 'otp_expired')
})

await claim('reauthenticate: the code proves presence', async () => {
  const client = open()
  data(await client.auth.signInWithPassword({ email: ann, password: 'Another-Horse-9!Battery' }))
  data(await client.auth.reauthenticate())
  const nonce = code(await next(ann))
  data(await client.auth.updateUser({ password: 'Third-Horse-9!Battery', nonce }))
  await next(ann)
})

await claim('updateUser: another address is agreed to at both', async () => {
  const client = open()
  data(await client.auth.signInWithPassword({ email: ann, password: 'Third-Horse-9!Battery' }))
  const email = `new-${run}@example.com`
  const { user } = data(await client.auth.updateUser({ email }))
  assert.equal(user.new_email, email)
  const half = await press(await next(ann))
  assert.match(half.hash, /message=/)
  const done = data(await open().auth.verifyOtp({ type: 'email_change', email, token: code(await next(email)) }))
  assert.equal(done.user.email, email)
})

await claim('inviteUserByEmail and generateLink let somebody in', async () => {
  const service = open(secret)
  const email = `guest-${run}@example.com`
  const { user } = data(await service.auth.admin.inviteUserByEmail(email, { data: { team: 'blue' } }))
  assert.ok(user.invited_at)
  assert.equal(new URLSearchParams((await press(await next(email))).hash.slice(1)).get('type'), 'invite')
  const { properties } = data(await service.auth.admin.generateLink({ type: 'magiclink', email }))
  assert.equal(properties.verification_type, 'magiclink')
  assert.equal(data(await open().auth.verifyOtp({ type: 'magiclink', token_hash: properties.hashed_token })).user.email, email)
})

finish()
