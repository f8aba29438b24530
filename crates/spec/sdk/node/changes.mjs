// Rows that change reach who may read them through the unmodified @supabase/supabase-js, by event and by filter; nobody else hears of them.
//
// PALISADE_URL and PALISADE_KEY say where. The table watched_tasks is there already, published, with a policy for its owners.

import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish, within } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key } = process.env
const open = (options = {}) => createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false }, ...options })
const password = 'Correct-Horse-9!Battery'
const ann = open(), eve = open(), old = open({ realtime: { vsn: '1.0.0' } })
const heard = { all: [], inserts: [], updates: [], deletes: [], filtered: [], schema: [], eve: [], old: [] }
const tasks = () => ann.from('watched_tasks')

/** Subscribes, and gives how that went. */
const subscribed = (channel) => new Promise((resolve) => {
  channel.subscribe((status, error) => { if (status !== 'CLOSED') resolve({ status, error }) })
})
const of_tasks = (event, more = {}) => ({ event, schema: 'public', table: 'watched_tasks', ...more })

await claim('two people sign up, and one signs in with an old client', async () => {
  for (const [client, name] of [[ann, 'ann'], [eve, 'eve']]) {
    data(await client.auth.signUp({ email: `${name}-changes@example.com`, password }))
  }
  data(await old.auth.signInWithPassword({ email: 'ann-changes@example.com', password }))
  for (const client of [ann, eve, old]) await client.realtime.setAuth()
})

await claim('a channel that is not private tells of changes', async () => {
  const channel = ann.channel('tasks')
    .on('postgres_changes', of_tasks('*'), (change) => heard.all.push(change))
    .on('postgres_changes', of_tasks('INSERT'), (change) => heard.inserts.push(change))
    .on('postgres_changes', of_tasks('UPDATE'), (change) => heard.updates.push(change))
    .on('postgres_changes', of_tasks('DELETE'), (change) => heard.deletes.push(change))
    .on('postgres_changes', of_tasks('*', { filter: 'list=in.(2,3)' }), (change) => heard.filtered.push(change))
    .on('postgres_changes', { event: '*', schema: 'public' }, (change) => heard.schema.push(change))
  const { status, error } = await subscribed(channel)
  assert.equal(status, 'SUBSCRIBED', String(error))
  const others = [[eve, 'eve'], [old, 'old']].map(([client, name]) =>
    subscribed(client.channel('tasks').on('postgres_changes', of_tasks('*'), (change) => heard[name].push(change))))
  for (const { status, error } of await Promise.all(others)) assert.equal(status, 'SUBSCRIBED', String(error))
})

await claim('a new row is told with all that it has, as soon as the channel is subscribed', async () => {
  data(await tasks().insert({ id: 1, list: 1, title: 'Béa "1"', tags: ['a', 'b,c'], at: '2026-01-02T03:04:05Z' }))
  await within(3000, 'heard', () => heard.inserts.length === 1)
  const { eventType, schema, table, new: row, old, errors, commit_timestamp } = heard.inserts[0]
  assert.deepEqual({ eventType, schema, table, errors, old }, { eventType: 'INSERT', schema: 'public', table: 'watched_tasks', errors: null, old: {} })
  const { owner, at, ...rest } = row
  assert.deepEqual(rest, { id: 1, list: 1, title: 'Béa "1"', tags: ['a', 'b,c'] })
  assert.equal(owner, (await ann.auth.getUser()).data.user.id)
  assert.equal(new Date(at).toISOString(), '2026-01-02T03:04:05.000Z')
  assert.ok(Math.abs(Date.now() - new Date(commit_timestamp)) < 60_000, commit_timestamp)
})

await claim('a row that changes is told as it was and as it is', async () => {
  data(await tasks().update({ title: 'two' }).eq('id', 1))
  await within(3000, 'heard', () => heard.updates.length === 1)
  assert.deepEqual([heard.updates[0].old.title, heard.updates[0].new.title], ['Béa "1"', 'two'])
})

await claim('a filter lets through what it names', async () => {
  data(await tasks().insert([{ id: 2, list: 2 }, { id: 3, list: 4 }]))
  data(await tasks().update({ list: 3 }).eq('id', 3))
  await within(3000, 'heard', () => heard.filtered.length === 2)
  assert.deepEqual(heard.filtered.map(({ eventType, new: row }) => [eventType, row.id]), [['INSERT', 2], ['UPDATE', 3]])
})

await claim('a row that is gone is told as it was', async () => {
  data(await tasks().delete().eq('id', 2))
  await within(3000, 'heard', () => heard.deletes.length === 1 && heard.filtered.length === 3)
  assert.deepEqual([heard.deletes[0].old.id, heard.deletes[0].old.list, heard.deletes[0].new], [2, 2, {}])
})

await claim('all of it comes in order to every listener, and a client of version 1 hears the same', async () => {
  await within(3000, 'heard', () => heard.all.length === 6 && heard.old.length === 6 && heard.schema.length === 6)
  const kinds = (changes) => changes.map(({ eventType, new: row, old }) => [eventType, row.id ?? old.id])
  const expected = [['INSERT', 1], ['UPDATE', 1], ['INSERT', 2], ['INSERT', 3], ['UPDATE', 3], ['DELETE', 2]]
  for (const name of ['all', 'old', 'schema']) assert.deepEqual(kinds(heard[name]), expected, name)
})

await claim('somebody who may not read the rows hears of none, and of their own', async () => {
  data(await eve.from('watched_tasks').insert({ id: 9, list: 1 }))
  await within(3000, 'heard', () => heard.eve.length === 1)
  assert.equal(heard.eve[0].new.id, 9)
  assert.equal(heard.all.length, 6)
})

await claim('what cannot be told is refused', async () => {
  const { status, error } = await subscribed(
    eve.channel('users').on('postgres_changes', { event: '*', schema: 'auth', table: 'users' }, () => {}))
  assert.equal(status, 'CHANNEL_ERROR')
  assert.match(error.message, /Unauthorized: Unable to subscribe to changes of auth\.users/)
  await eve.removeAllChannels()
})

finish()
