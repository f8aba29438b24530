// Two people use the demo application through the unmodified @supabase/supabase-js.
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where. Nothing is sent by hand: every request is the client's own.

import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish, within } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const run = Date.now().toString(36)
const open = (with_key, options) => createClient(url, with_key, { auth: { persistSession: false, autoRefreshToken: false }, ...options })

const visitor = open(key)
const ann = open(key)
const bea = open(key)
const password = 'Correct-Horse-9!Battery'
const mail = (name) => `${name}-${run}@example.com`

let team, other, project, tasks, anns_token

await claim('a visitor with the publishable key sees no row', async () => {
  assert.deepEqual(data(await visitor.from('projects').select()), [])
})

await claim('two people sign up and are signed in', async () => {
  for (const [client, name] of [[ann, 'ann'], [bea, 'bea']]) {
    const { user, session } = data(await client.auth.signUp({ email: mail(name), password, options: { data: { name } } }))
    assert.equal(user.email, mail(name))
    assert.equal(user.user_metadata.name, name)
    assert.ok(session?.access_token, 'a session')
  }
})

await claim('an address signs up once', async () => {
  const { error } = await visitor.auth.signUp({ email: mail('ann'), password })
  assert.equal(error?.code, 'user_already_exists')
})

await claim('a weak password is refused', async () => {
  const { error } = await visitor.auth.signUp({ email: mail('weak'), password: 'short' })
  assert.equal(error?.code, 'weak_password')
})

await claim('a wrong password is refused as GoTrue refuses it', async () => {
  const { error } = await visitor.auth.signInWithPassword({ email: mail('ann'), password: 'Wrong-Horse-9!Battery' })
  assert.equal(error?.code, 'invalid_credentials')
  assert.equal(error?.status, 400)
})

await claim('the password signs in', async () => {
  const { session } = data(await ann.auth.signInWithPassword({ email: mail('ann'), password }))
  assert.equal(session.token_type, 'bearer')
  anns_token = session.access_token
})

await claim('getUser tells who it is', async () => {
  const { user } = data(await ann.auth.getUser())
  assert.equal(user.email, mail('ann'))
  assert.equal(user.role, 'authenticated')
})

await claim('getClaims verifies the token with the published keys', async () => {
  const { claims } = data(await ann.auth.getClaims())
  assert.equal(claims.email, mail('ann'))
  assert.equal(claims.aal, 'aal1')
})

await claim('each makes a team by calling a function', async () => {
  team = data(await ann.rpc('create_team', { name: 'Ann and friends', slug: `ann-${run}` }))
  other = data(await bea.rpc('create_team', { name: 'Bea alone', slug: `bea-${run}` }))
  assert.ok(team.id && other.id && team.id !== other.id)
})

await claim('insert returns the row', async () => {
  const row = { team_id: team.id, name: 'Garden', settings: { color: '#00ff00', nested: { deep: [1, 2, 3] } } }
  project = data(await ann.from('projects').insert(row).select().single())
  assert.equal(project.name, 'Garden')
  assert.deepEqual(project.settings, row.settings)
  assert.equal(project.archived, false)
})

await claim('insert without select returns nothing and 201', async () => {
  const answer = await ann.from('projects').insert({ team_id: team.id, name: 'Kitchen' })
  assert.equal(data(answer), null)
  assert.equal(answer.status, 201)
})

await claim('a batch is inserted in one statement', async () => {
  const statuses = ['open', 'active', 'blocked', 'done']
  const rows = Array.from({ length: 20 }, (_, n) => ({
    project_id: project.id, title: `Plant bed ${n + 1}`, body: n % 2 ? 'with roses' : "it's \"quoted\", (in brackets) and ünïcode 🌱",
    status: statuses[n % 4], priority: 1 + (n % 5), due_on: n % 3 ? '2030-01-15' : null, details: { points: n, tags: ['x', 'y'] },
  }))
  tasks = data(await ann.from('tasks').insert(rows).select().order('id'))
  assert.equal(tasks.length, 20)
  assert.equal(tasks[0].body, rows[0].body)
  assert.equal(tasks[0].team_id, team.id)
})

const titles = async (query) => data(await query).map((row) => row.title)
const mine = (columns = 'title') => ann.from('tasks').select(columns).eq('project_id', project.id)

await claim('every filter of the client filters', async () => {
  assert.equal((await titles(mine().eq('status', 'done'))).length, 5)
  assert.equal((await titles(mine().neq('status', 'done'))).length, 15)
  assert.equal((await titles(mine().gt('priority', 3))).length, 8)
  assert.equal((await titles(mine().gte('priority', 3))).length, 12)
  assert.equal((await titles(mine().lt('priority', 2))).length, 4)
  assert.equal((await titles(mine().lte('priority', 2))).length, 8)
  assert.equal((await titles(mine().like('title', 'Plant bed 1%'))).length, 11)
  assert.equal((await titles(mine().ilike('title', 'plant BED 2_'))).length, 1)
  assert.equal((await titles(mine().is('due_on', null))).length, 7)
  assert.equal((await titles(mine().not('due_on', 'is', null))).length, 13)
  assert.equal((await titles(mine().in('status', ['open', 'blocked']))).length, 10)
  assert.deepEqual(await titles(mine().in('title', ['Plant bed 1', 'a, "strange" (one)'])), ['Plant bed 1'])
  assert.deepEqual(await titles(mine().contains('details', { points: 7 })), ['Plant bed 8'])
  assert.deepEqual(await titles(mine().eq('details->>points', '3')), ['Plant bed 4'])
  assert.equal((await titles(mine().textSearch('search', 'rose', { type: 'websearch', config: 'english' }))).length, 10)
  assert.equal((await titles(mine().or('priority.eq.1,and(status.eq.done,priority.gt.3)'))).length, 6)
  assert.deepEqual(await titles(mine().match({ status: 'open', priority: 1 })), ['Plant bed 1'])
  assert.equal((await titles(mine().filter('status', 'eq', 'active'))).length, 5)
})

await claim('order, limit and range page through', async () => {
  const first = data(await mine('id,title,priority').order('priority', { ascending: false }).order('id').limit(3))
  assert.deepEqual(first.map((row) => row.priority), [5, 5, 5])
  const page = await ann.from('tasks').select('id', { count: 'exact' }).eq('project_id', project.id).order('id').range(5, 9)
  assert.deepEqual(data(page).map((row) => row.id), tasks.slice(5, 10).map((row) => row.id))
  assert.equal(page.count, 20)
  assert.equal(page.status, 206)
})

await claim('a count needs no rows', async () => {
  const { count, data: none } = await ann.from('tasks').select('*', { count: 'exact', head: true }).eq('project_id', project.id)
  assert.equal(count, 20)
  assert.equal(none, null)
})

await claim('columns are renamed, cast and reached into', async () => {
  const row = data(await mine('name:title,points:details->points,text:details->>points,p:priority::text').eq('id', tasks[4].id).single())
  assert.deepEqual(row, { name: 'Plant bed 5', points: 4, text: '4', p: '5' })
})

await claim('foreign keys embed in both directions', async () => {
  const up = data(await ann.from('tasks').select('title,project:projects(name,team:teams(slug))').eq('id', tasks[0].id).single())
  assert.deepEqual(up, { title: 'Plant bed 1', project: { name: 'Garden', team: { slug: `ann-${run}` } } })
  const down = data(await ann.from('projects').select('name,tasks(id)').eq('id', project.id).single())
  assert.equal(down.tasks.length, 20)
  const lead = data(await ann.from('teams').select('slug,lead:members!teams_lead_id_fkey(role)').eq('id', team.id).single())
  assert.deepEqual(lead.lead, { role: 'owner' })
})

await claim('an ambiguous embed is refused with its candidates', async () => {
  const { error, status } = await ann.from('tasks').select('title,members(name)')
  assert.equal(error?.code, 'PGRST201')
  assert.equal(status, 300)
  assert.equal(error.details.length, 2)
})

await claim('embedded rows are filtered, ordered and limited', async () => {
  const query = ann.from('projects').select('name,tasks(title,priority)').eq('id', project.id)
  const row = data(await query.eq('tasks.status', 'done').order('id', { referencedTable: 'tasks' }).limit(2, { referencedTable: 'tasks' }).single())
  assert.deepEqual(row.tasks.map((task) => task.title), ['Plant bed 4', 'Plant bed 8'])
})

await claim('an inner embed drops rows without a match', async () => {
  const rows = data(await ann.from('projects').select('name,tasks!inner(id)').eq('team_id', team.id))
  assert.deepEqual(rows.map((row) => row.name), ['Garden'])
})

await claim('upsert inserts, then changes', async () => {
  const tag = { team_id: team.id, name: 'soil', color: '#112233' }
  const made = data(await ann.from('tags').upsert(tag, { onConflict: 'team_id,name' }).select().single())
  const changed = data(await ann.from('tags').upsert({ ...tag, color: '#445566' }, { onConflict: 'team_id,name' }).select().single())
  assert.equal(changed.id, made.id)
  assert.equal(changed.color, '#445566')
  const ignored = data(await ann.from('tags').upsert({ ...tag, color: '#000000' }, { onConflict: 'team_id,name', ignoreDuplicates: true }).select())
  assert.deepEqual(ignored, [])
})

await claim('many to many embeds through the table between', async () => {
  const tag = data(await ann.from('tags').select('id').eq('team_id', team.id).single())
  data(await ann.from('task_tags').insert([{ task_id: tasks[0].id, tag_id: tag.id }, { task_id: tasks[1].id, tag_id: tag.id }]))
  const row = data(await ann.from('tasks').select('title,tags(name)').eq('id', tasks[0].id).single())
  assert.deepEqual(row.tags, [{ name: 'soil' }])
  const back = data(await ann.from('tags').select('name,tasks(id)').eq('id', tag.id).single())
  assert.equal(back.tasks.length, 2)
})

await claim('update changes what it filters and returns it', async () => {
  const rows = data(await ann.from('tasks').update({ status: 'done', details: { by: 'ann' } }).eq('id', tasks[2].id).select('id,status,details'))
  assert.deepEqual(rows, [{ id: tasks[2].id, status: 'done', details: { by: 'ann' } }])
})

await claim('update without select answers 204', async () => {
  const answer = await ann.from('tasks').update({ priority: 5 }).eq('id', tasks[3].id)
  assert.equal(answer.status, 204)
  assert.equal(data(answer), null)
})

await claim('delete removes what it filters and counts it', async () => {
  const answer = await ann.from('tasks').delete({ count: 'exact' }).in('id', [tasks[18].id, tasks[19].id]).select('id')
  assert.equal(data(answer).length, 2)
  assert.equal(answer.count, 2)
  assert.deepEqual(data(await ann.from('tasks').select('id').eq('id', tasks[19].id)), [])
})

await claim('a function that returns rows is filtered, ordered and embeds', async () => {
  const rows = data(await ann.rpc('search_tasks', { query: 'roses' }).select('id,title,projects(name)').eq('status', 'active').order('id').limit(2))
  assert.equal(rows.length, 2)
  assert.equal(rows[0].projects.name, 'Garden')
  const got = data(await ann.rpc('search_tasks', { query: 'roses' }, { get: true }).limit(1))
  assert.equal(got.length, 1)
})

await claim('a function that does not exist is PGRST202', async () => {
  const { error, status } = await ann.rpc('no_such_function', { a: 1 })
  assert.equal(error?.code, 'PGRST202')
  assert.equal(status, 404)
})

await claim('a view reads as its reader', async () => {
  const rows = data(await ann.from('project_progress').select('name,tasks,done').eq('team_id', team.id).order('name'))
  assert.deepEqual(rows.map((row) => [row.name, row.tasks]), [['Garden', 18], ['Kitchen', 0]])
})

await claim('csv comes as text', async () => {
  const text = data(await ann.from('tasks').select('id,title').in('id', [tasks[0].id, tasks[1].id]).order('id').csv())
  // Quoted as PostgreSQL writes a row: PostgREST does so too.
  assert.equal(text, `id,title\n${tasks[0].id},"Plant bed 1"\n${tasks[1].id},"Plant bed 2"`)
})

await claim('single refuses none and many; maybeSingle takes none', async () => {
  const none = await ann.from('tasks').select().eq('id', -1).single()
  assert.equal(none.error?.code, 'PGRST116')
  assert.equal(none.status, 406)
  const many = await mine().single()
  assert.equal(many.error?.code, 'PGRST116')
  assert.equal(data(await ann.from('tasks').select().eq('id', -1).maybeSingle()), null)
})

await claim('mistakes are named with PostgREST\'s and PostgreSQL\'s codes', async () => {
  assert.equal((await ann.from('no_such_table').select()).error?.code, 'PGRST205')
  assert.equal((await ann.from('tasks').select('no_such_column')).error?.code, '42703')
  assert.equal((await ann.from('tasks').insert({ no_such_column: 1 })).error?.code, 'PGRST204')
  assert.equal((await ann.from('tasks').select('title,no_such_relation(id)')).error?.code, 'PGRST200')
  assert.equal((await ann.from('tasks').select().eq('id', 'abc')).error?.code, '22P02')
  const twice = await ann.from('projects').insert({ team_id: team.id, name: 'Garden' })
  assert.equal(twice.error?.code, '23505')
  assert.equal(twice.status, 409)
})

await claim('neither sees a row of the other, by any verb', async () => {
  for (const table of ['projects', 'tasks', 'members', 'tags', 'task_tags', 'project_progress']) {
    assert.deepEqual(data(await bea.from(table).select().eq('team_id', team.id)), [], table)
  }
  assert.deepEqual(data(await bea.from('teams').select('slug')), [{ slug: `bea-${run}` }])
  assert.deepEqual(data(await bea.from('tasks').update({ title: 'mine now' }).eq('id', tasks[0].id).select()), [])
  assert.deepEqual(data(await bea.from('tasks').delete().eq('id', tasks[0].id).select()), [])
  assert.deepEqual(data(await bea.rpc('search_tasks', { query: 'roses' })), [])
  assert.equal(data(await ann.from('tasks').select('title').eq('id', tasks[0].id).single()).title, 'Plant bed 1')
})

await claim('a row for somebody else\'s team is refused', async () => {
  const answer = await bea.from('projects').insert({ team_id: team.id, name: 'Trojan' })
  assert.equal(answer.error?.code, '42501')
  assert.equal(answer.status, 403)
  const moved = await bea.from('teams').update({ id: team.id }).eq('id', other.id)
  assert.ok(moved.error, 'a team cannot be moved onto another')
})

await claim('the secret key passes by the policies', async () => {
  const { count } = await open(secret).from('tasks').select('*', { count: 'exact', head: true })
  assert.ok(count >= 24_000, `${count} tasks`)
})

await claim('updateUser changes the metadata', async () => {
  const { user } = data(await ann.auth.updateUser({ data: { nickname: 'annie' } }))
  assert.equal(user.user_metadata.nickname, 'annie')
  assert.equal(user.user_metadata.name, 'ann')
})

await claim('refreshing gives a new pair, and the new token works', async () => {
  const before = data(await ann.auth.getSession()).session
  const { session } = data(await ann.auth.refreshSession())
  assert.notEqual(session.refresh_token, before.refresh_token)
  assert.equal(data(await ann.from('teams').select('id')).length, 1)
})

await claim('two tabs refreshing at once both stay signed in', async () => {
  const { refresh_token } = data(await ann.auth.getSession()).session
  const [one, two] = await Promise.all([1, 2].map(() => open(key).auth.refreshSession({ refresh_token })))
  assert.equal(data(one).session.refresh_token, data(two).session.refresh_token)
  data(await ann.auth.setSession({ access_token: data(one).session.access_token, refresh_token: data(one).session.refresh_token }))
})

await claim('after signing out the token is dead within a second, on every API', async () => {
  const { access_token, refresh_token } = data(await ann.auth.getSession()).session
  const { error } = await ann.auth.signOut({ scope: 'global' })
  assert.equal(error, null)
  const replay = createClient(url, key, { accessToken: async () => access_token })
  await within(1000, 'rows refused', async () => (await replay.from('teams').select()).status === 401)
  const older = createClient(url, key, { accessToken: async () => anns_token })
  assert.equal((await older.from('teams').select()).status, 401, 'the first session ended too')
  assert.ok((await open(key).auth.getUser(access_token)).error, 'the account is refused')
  assert.ok((await open(key).auth.refreshSession({ refresh_token })).error, 'no new token from the old one')
})

await claim('the other one is still signed in', async () => {
  assert.equal(data(await bea.from('teams').select('id')).length, 1)
})

finish()
