// Accounts through the unmodified @supabase/supabase-js: administration, sessions that end, and the validator of passwords.

import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const run = Date.now().toString(36)
const open = (with_key) => createClient(url, with_key, { auth: { persistSession: false, autoRefreshToken: false } })
const password = 'Correct-Horse-9!Battery'
const email = `eve-${run}@example.com`
const admin = open(secret)

let eve

await claim('an administrator makes, finds, changes and lists an account', async () => {
  eve = data(await admin.auth.admin.createUser({ email, password, email_confirm: true, user_metadata: { name: 'Eve' } })).user
  assert.equal(data(await admin.auth.admin.getUserById(eve.id)).user.email, email)
  const changed = data(await admin.auth.admin.updateUserById(eve.id, { app_metadata: { plan: 'pro' } })).user
  assert.equal(changed.app_metadata.plan, 'pro')
  assert.ok(data(await admin.auth.admin.listUsers({ page: 1, perPage: 1000 })).users.some((user) => user.id === eve.id))
})

await claim('an administrator obeys the policy too', async () => {
  const { error } = await admin.auth.admin.createUser({ email: `weak-${run}@example.com`, password: 'short' })
  assert.equal(error?.code, 'weak_password')
  assert.deepEqual(error?.reasons, ['length', 'characters'])
})

await claim('signOut ends this session, the others, or all', async () => {
  const [one, two, three] = [open(key), open(key), open(key)]
  for (const client of [one, two, three]) data(await client.auth.signInWithPassword({ email, password }))
  const lives = async (client) => !(await client.auth.getUser((await client.auth.getSession()).data.session.access_token)).error
  const token = (await three.auth.getSession()).data.session.access_token
  assert.ok(!(await three.auth.signOut({ scope: 'local' })).error)
  // auth-js makes its own error of session_not_found.
  assert.equal((await open(key).auth.getUser(token)).error?.name, 'AuthSessionMissingError')
  assert.ok(!(await one.auth.signOut({ scope: 'others' })).error)
  assert.ok((await lives(one)) && !(await lives(two)))
})

await claim('somebody changes their own data and password', async () => {
  const client = open(key)
  data(await client.auth.signInWithPassword({ email, password }))
  assert.equal(data(await client.auth.updateUser({ data: { colour: 'blue' } })).user.user_metadata.colour, 'blue')
  assert.equal((await client.auth.updateUser({ password })).error?.code, 'same_password')
  data(await client.auth.updateUser({ password: `${password}2` }))
  assert.equal((await open(key).auth.signInWithPassword({ email, password })).error?.code, 'invalid_credentials')
  data(await open(key).auth.signInWithPassword({ email, password: `${password}2` }))
})

await claim('an anonymous account is refused where it is off', async () => {
  assert.equal((await open(key).auth.signInAnonymously()).error?.code, 'anonymous_provider_disabled')
})

await claim('the served validator says what the server does', async () => {
  const text = await (await fetch(`${url}/auth/v1/password-policy.js`)).text()
  const served = await import(`data:text/javascript,${encodeURIComponent(text)}`)
  assert.deepEqual(served.POLICY, await served.fetchPolicy(url))
  for (const [tried, wrong] of [['short', 4], ['correct-horse-battery', 3], [password, 0], ['x'.repeat(400), 4]]) {
    assert.equal(served.validatePassword(tried).length, wrong, tried)
  }
})

await claim('a removed account is gone', async () => {
  data(await admin.auth.admin.deleteUser(eve.id))
  assert.equal((await admin.auth.admin.getUserById(eve.id)).error?.code, 'user_not_found')
})

finish()
