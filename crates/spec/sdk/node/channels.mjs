// Two members of a team talk and see each other through the unmodified @supabase/supabase-js; somebody who is no member does neither.
//
// PALISADE_URL and PALISADE_KEY say where. The policies on realtime.messages are there already.

import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish, within } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const open = (with_key = key) => createClient(url, with_key, { auth: { persistSession: false, autoRefreshToken: false } })
const password = 'Correct-Horse-9!Battery'
const ann = open(), bea = open(), eve = open(), visitor = open(), program = open(secret)
const rooms = {}

/** Subscribes, and gives how that went. */
const subscribed = (channel) => new Promise((resolve) => {
  channel.subscribe((status, error) => { if (status !== 'CLOSED') resolve({ status, error }) })
})

const room = (client, name, key) => {
  const channel = client.channel(name, { config: { private: true, broadcast: { ack: true }, presence: { key } } })
  channel.heard = []
  return channel
    .on('broadcast', { event: '*' }, (message) => channel.heard.push(message))
    .on('presence', { event: 'sync' }, () => { channel.synced = true })
}

await claim('three people sign up', async () => {
  for (const [client, name] of [[ann, 'ann'], [bea, 'bea'], [eve, 'eve']]) {
    data(await client.auth.signUp({ email: `${name}-channels@example.com`, password }))
    await client.realtime.setAuth()
  }
})

await claim('members join the private channel', async () => {
  for (const [client, name] of [[ann, 'ann'], [bea, 'bea']]) {
    rooms[name] = room(client, 'team', name)
    const { status, error } = await subscribed(rooms[name])
    assert.equal(status, 'SUBSCRIBED', String(error))
  }
})

await claim('somebody who is no member does not, nor does a visitor', async () => {
  for (const client of [eve, visitor]) {
    const { status, error } = await subscribed(room(client, 'team', 'eve'))
    assert.equal(status, 'CHANNEL_ERROR')
    assert.match(error.message, /Unauthorized: You do not have permissions to read from this Channel topic: team/)
    await client.removeAllChannels()
  }
})

await claim('a channel without policies is refused, and says how to go on', async () => {
  const { status, error } = await subscribed(ann.channel('team-public'))
  assert.equal(status, 'CHANNEL_ERROR')
  assert.match(error.message, /PrivateOnly: .*config\.private/)
})

await claim('what one says the other hears, and the sender does not', async () => {
  const payload = { text: 'ünïcode 🌱', nested: { n: [1, 2, 3] } }
  assert.equal(await rooms.ann.send({ type: 'broadcast', event: 'mövé', payload }), 'ok')
  await within(2000, 'heard', () => rooms.bea.heard.length === 1)
  assert.deepEqual(rooms.bea.heard[0], { type: 'broadcast', event: 'mövé', payload })
  assert.equal(rooms.ann.heard.length, 0)
})

await claim('bytes arrive as bytes', async () => {
  const payload = new Uint8Array([0, 255, 128, 7]).buffer
  assert.equal(await rooms.bea.send({ type: 'broadcast', event: 'raw', payload }), 'ok')
  await within(2000, 'heard', () => rooms.ann.heard.length === 1)
  assert.deepEqual([...new Uint8Array(rooms.ann.heard[0].payload)], [0, 255, 128, 7])
})

await claim('each sees the other come', async () => {
  assert.equal(await rooms.ann.track({ name: 'Ann' }), 'ok')
  assert.equal(await rooms.bea.track({ name: 'Bea', typing: false }), 'ok')
  for (const channel of [rooms.ann, rooms.bea]) {
    await within(2000, 'both are there', () => Object.keys(channel.presenceState()).sort().join() === 'ann,bea')
    assert.equal(channel.presenceState().ann[0].name, 'Ann')
  }
})

await claim('what somebody tells anew takes the place of the old', async () => {
  assert.equal(await rooms.bea.track({ name: 'Bea', typing: true }), 'ok')
  await within(2000, 'typing', () => rooms.ann.presenceState().bea?.[0]?.typing === true)
  assert.equal(rooms.ann.presenceState().bea.length, 1)
})

await claim('who comes later is told who is there', async () => {
  rooms.program = room(program, 'team', 'program')
  assert.equal((await subscribed(rooms.program)).status, 'SUBSCRIBED')
  await within(2000, 'synced', () => Object.keys(rooms.program.presenceState()).length === 2)
})

await claim('by HTTP a program says something, and who may not is refused', async () => {
  const before = rooms.ann.heard.length
  assert.deepEqual(await rooms.program.httpSend('news', { n: 1 }), { success: true })
  await within(2000, 'heard', () => rooms.ann.heard.length === before + 1)
  await assert.rejects(eve.channel('team', { config: { private: true } }).httpSend('news', { n: 1 }), /permissions/)
})

await claim('hearing is not speaking', async () => {
  const wall = room(eve, 'news', 'eve')
  assert.equal((await subscribed(wall)).status, 'SUBSCRIBED')
  assert.equal(await wall.send({ type: 'broadcast', event: 'x', payload: {} }), 'error')
  assert.equal(await wall.track({ name: 'Eve' }), 'error')
})

await claim('a client of version 1 hears and is heard', async () => {
  const old = createClient(url, key, { realtime: { vsn: '1.0.0' }, auth: { persistSession: false, autoRefreshToken: false } })
  data(await old.auth.signInWithPassword({ email: 'bea-channels@example.com', password }))
  await old.realtime.setAuth()
  const channel = room(old, 'team', 'old')
  assert.equal((await subscribed(channel)).status, 'SUBSCRIBED')
  const before = rooms.ann.heard.length
  assert.equal(await channel.send({ type: 'broadcast', event: 'old', payload: { n: 1 } }), 'ok')
  await within(2000, 'heard', () => rooms.ann.heard.length === before + 1)
  assert.equal(await rooms.ann.send({ type: 'broadcast', event: 'new', payload: { n: 2 } }), 'ok')
  await within(2000, 'heard', () => channel.heard.length === 1)
  assert.deepEqual(channel.heard[0].payload, { n: 2 })
  await old.removeAllChannels()
})

await claim('who signs out is gone within a second, and the others see it', async () => {
  const at = Date.now()
  await bea.auth.signOut({ scope: 'global' })
  await within(1000, 'gone', () => !('bea' in rooms.ann.presenceState()))
  assert.ok(Date.now() - at < 2000)
})

finish()
