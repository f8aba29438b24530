// A telephone through the unmodified @supabase/supabase-js: to sign up and in with, to change to, and as a second factor.
//
// PALISADE_URL and PALISADE_KEY say where. Texts are read in the catcher of `palisade dev`, as a developer reads them.

import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key } = process.env
const open = () => createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } })
// A number of this run's own, for each who needs one.
const base = 491500000000 + (Date.now() % 100000000)
let numbers = 0
const number = () => String(base + ++numbers)
const password = 'Correct-Horse-9!Battery'

/** The code in the newest text to a number. */
async function text(phone) {
  for (let tries = 0; tries < 100; tries++) {
    const list = await (await fetch(`${url}/_/outbox`)).text()
    const mine = list.split('<li>').find((line) => line.includes(` to +${phone},`))
    if (mine) {
      const page = await (await fetch(`${url}${/href="([^"]+)"/.exec(mine)[1]}`)).text()
      return /Your code is (\d{6})/.exec(page)[1]
    }
    await new Promise((wait) => setTimeout(wait, 100))
  }
  throw new Error(`no text to ${phone}`)
}
const other = (code) => (code === '000000' ? '000001' : '000000')

const phone = number()
let id

await claim('a text signs somebody up, and a wrong code does not', async () => {
  const ann = open()
  const { user, session } = data(await ann.auth.signInWithOtp({ phone: `+${phone}` }))
  assert.deepEqual([user, session], [null, null])
  const token = await text(phone)
  const wrong = await ann.auth.verifyOtp({ phone, token: other(token), type: 'sms' })
  assert.equal(wrong.error?.code, 'otp_expired')
  const entered = data(await ann.auth.verifyOtp({ phone, token, type: 'sms' }))
  assert.equal(entered.user.phone, phone)
  assert.ok(entered.user.phone_confirmed_at && entered.session.access_token)
  id = entered.user.id
})

await claim('a code is taken once', async () => {
  const again = await open().auth.verifyOtp({ phone, token: await text(phone), type: 'sms' })
  assert.equal(again.error?.code, 'otp_expired')
})

await claim('who is not there is told nothing, and gets no account where none is wanted', async () => {
  const stranger = await open().auth.signInWithOtp({ phone: number(), options: { shouldCreateUser: false } })
  assert.equal(stranger.error?.code ?? null, null)
  assert.equal(stranger.data.session, null)
})

await claim('a number and a password sign up and in', async () => {
  const [bea, mine] = [open(), number()]
  data(await bea.auth.signUp({ phone: mine, password }))
  const entered = data(await bea.auth.verifyOtp({ phone: mine, token: await text(mine), type: 'sms' }))
  assert.equal(entered.user.phone, mine)
  const again = data(await open().auth.signInWithPassword({ phone: mine, password }))
  assert.equal(again.user.id, entered.user.id)
  const wrong = await open().auth.signInWithPassword({ phone: mine, password: `${password}?` })
  assert.equal(wrong.error?.code, 'invalid_credentials')
})

await claim('a telephone is a second factor', async () => {
  const [cleo, mine] = [open(), number()]
  data(await cleo.auth.signUp({ email: `phone-${base}@example.com`, password }))
  const factor = data(await cleo.auth.mfa.enroll({ factorType: 'phone', phone: `+${mine}`, friendlyName: 'mobile' }))
  assert.equal(factor.type, 'phone')
  const asked = data(await cleo.auth.mfa.challenge({ factorId: factor.id, channel: 'sms' }))
  const code = await text(mine)
  const wrong = await cleo.auth.mfa.verify({ factorId: factor.id, challengeId: asked.id, code: other(code) })
  assert.equal(wrong.error?.code, 'mfa_verification_failed')
  data(await cleo.auth.mfa.verify({ factorId: factor.id, challengeId: asked.id, code }))
  const { currentLevel } = data(await cleo.auth.mfa.getAuthenticatorAssuranceLevel())
  assert.equal(currentLevel, 'aal2')
  assert.equal(data(await cleo.auth.mfa.listFactors()).phone.length, 1)
})

await claim('another number is taken once its own text was shown', async () => {
  const [dora, first, second] = [open(), number(), number()]
  data(await dora.auth.signInWithOtp({ phone: first }))
  const entered = data(await dora.auth.verifyOtp({ phone: first, token: await text(first), type: 'sms' }))
  assert.notEqual(entered.user.id, id)
  const asked = data(await dora.auth.updateUser({ phone: second }))
  assert.equal(asked.user.phone, first)
  const token = await text(second)
  const moved = data(await dora.auth.verifyOtp({ phone: second, token, type: 'phone_change' }))
  assert.equal(moved.user.phone, second)
})

finish()
