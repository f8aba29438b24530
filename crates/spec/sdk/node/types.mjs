// What `palisade types` prints is compiled by the real tsc with the unmodified supabase-js, and its schemas by the real zod; and the
// module for writes is driven as a browser's page would import it.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const here = dirname(fileURLToPath(import.meta.url))
const place = join(here, 'typed')
mkdirSync(place)

const types = async (as) => {
  const answer = await fetch(`${url}/admin/v1/types${as ? `?as=${as}` : ''}`, { headers: { apikey: secret } })
  assert.equal(answer.status, 200)
  return (await answer.json()).types
}

/** Compiles a file; what tsc says when it does not like it. */
const compile = (file, ...options) => {
  const tsc = join(here, 'node_modules/typescript/bin/tsc')
  const strict = ['--strict', '--target', 'es2022', '--module', 'nodenext', '--moduleResolution', 'nodenext', '--skipLibCheck', '--exactOptionalPropertyTypes']
  try {
    execFileSync(process.execPath, [tsc, ...strict, ...options, file], { cwd: place, encoding: 'utf8', stdio: 'pipe' })
    return ''
  } catch (error) {
    return error.stdout || String(error)
  }
}

// The server hears of a new table a moment after it is there.
while (!(await types()).includes('hostile: {')) await new Promise((wake) => setTimeout(wake, 50))

writeFileSync(join(place, 'package.json'), '{ "type": "module" }')
writeFileSync(join(place, 'database.ts'), await types())
writeFileSync(join(place, 'schemas.ts'), await types('zod'))

await claim('the types compile, and supabase-js with them knows columns, nulls, enums, functions and embeds', () => {
  writeFileSync(
    join(place, 'use.ts'),
    `import { createClient } from '@supabase/supabase-js'
     import { Constants, type Database, type Tables, type TablesInsert, type TablesUpdate } from './database.js'
     const client = createClient<Database>('http://localhost', 'key')
     export async function use() {
       const { data } = await client.from('projects').select('id, name').single()
       const name: string = data!.name
       const embedded = await client.from('tasks').select('title, projects(name)').limit(1)
       const title: string = embedded.data![0]!.title
       await client.from('projects').insert({ team_id: 1, name: 'x' })
       await client.rpc('create_team', { name: 'x', slug: 'y' })
       const row: Tables<'projects'> = { ...data!, ...(await client.from('projects').select().single()).data! }
       const insert: TablesInsert<{ schema: 'public' }, 'projects'> = { team_id: 1, name: row.name }
       const update: TablesUpdate<'projects'> = { name: 'z' }
       await client.from('projects').update(update).eq('id', 1).maxAffected(1)
       const schemas: string[] = Object.keys(Constants)
       // @ts-expect-error no such table has a name
       const none: Tables<'nothing'> = 1
       // @ts-expect-error there is no such column
       await client.from('projects').insert({ team_id: 1, name: 'x', nothing: 1 })
       // @ts-expect-error a column that must be there is missing
       await client.from('projects').insert({ team_id: 1 })
       // @ts-expect-error a text is no number
       await client.from('projects').update({ name: 7 })
       // @ts-expect-error there is no such table
       await client.from('nothing').select()
       // @ts-expect-error there is no such function
       await client.rpc('no_such_function', {})
       return [name, title, insert, schemas, none]
     }`,
  )
  assert.equal(compile('use.ts', '--noEmit'), '')
})

await claim('a wrong use does not compile: the check can fail', () => {
  writeFileSync(
    join(place, 'wrong.ts'),
    `import type { Database } from './database.js'
     export const row: Database['public']['Tables']['projects']['Insert'] = { name: 7 }`,
  )
  assert.match(compile('wrong.ts', '--noEmit'), /error TS/)
})

await claim('the zod schemas compile, take what the server takes, and refuse what it refuses', async () => {
  assert.equal(compile('schemas.ts'), '')
  const schemas = await import(pathToFileURL(join(place, 'schemas.js')).href)
  const row = { team_id: 7, name: 'Kitchen' }
  const insert = schemas.publicProjectsInsert
  assert.equal(insert.safeParse(row).success, true, JSON.stringify(insert.safeParse(row)))
  assert.equal(insert.safeParse({ team_id: row.team_id }).success, false)
  assert.equal(insert.safeParse({ ...row, name: 7 }).success, false)
  assert.equal(insert.safeParse({ ...row, team_id: 'seven' }).success, false)
  assert.equal(insert.safeParse({ ...row, name: '' }).success, false)
  assert.equal(insert.safeParse({ ...row, name: '\u{1f600}'.repeat(120) }).success, true)
  assert.equal(insert.safeParse({ ...row, name: 'x'.repeat(121) }).success, false)
  assert.equal(schemas.publicTasksInsert.safeParse({ ...row, project_id: 1, title: 't', priority: 6 }).success, false)
  assert.equal(schemas.publicTasksInsert.safeParse({ team_id: 7, project_id: 1, title: 't', priority: 5, status: 'open' }).success, true)
  assert.equal(schemas.publicTeamsInsert.safeParse({ name: 'n', slug: 'Not a slug' }).success, false)
  assert.equal(schemas.publicProjectsUpdate.safeParse({}).success, true)
  // Names and labels that try to be source are names and labels, and no rule of the database makes a visitor wait.
  const hostile = schemas.publicHostileInsert
  // As a body comes: what every object has of its own accord is a column's value there.
  const sent = JSON.parse('{"id":1,"__proto__":1,"constructor":1,"1st":1,"braces":"{x}","low":5,"high":5}')
  const taken = hostile.safeParse(Object.assign(sent, { words: 'a"; evil(); /* */ `${x}` \u2028' }))
  assert.equal(taken.success, true, JSON.stringify(taken.error))
  assert.equal(hostile.safeParse({ id: 1, words: 'other' }).success, false)
  const begun = performance.now()
  hostile.safeParse({ id: 1, slow: `${'a'.repeat(40)}b`, slug: `${'a-a'.repeat(1000)}!` })
  assert.ok(performance.now() - begun < 2_000)
})

await claim('the module for writes does a double click once, and sends again what got no answer', async () => {
  const text = await (await fetch(`${url}/client/v1/writes.js`)).text()
  writeFileSync(join(place, 'writes.mjs'), text)
  const { writesOnce, debounce } = await import(pathToFileURL(join(place, 'writes.mjs')).href)
  let sent = 0
  let lost = 0
  const flaky = async (...args) => {
    sent += 1
    const answer = await fetch(...args)
    // The first answer to an insert is lost on the way.
    if (String(args[0]).includes('/rest/v1/projects') && args[1]?.method === 'POST' && lost++ === 0) throw new TypeError('fetch failed')
    return answer
  }
  const open = (fetchWith) =>
    createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false }, global: { fetch: writesOnce({ fetch: fetchWith }) } })
  const client = open(flaky)
  const mail = `once-${Date.now().toString(36)}@example.com`
  data(await client.auth.signUp({ email: mail, password: 'Correct-Horse-9!Battery' }))
  const team = data(await client.rpc('create_team', { name: 'Once', slug: `once-${Date.now().toString(36)}` }))
  const insert = () => client.from('projects').insert({ team_id: team.id, name: 'Once' }).select().single()
  const [first, second] = await Promise.all([insert(), insert()])
  assert.equal(data(first).id, data(second).id)
  assert.equal(data(await client.from('projects').select('id').eq('team_id', team.id)).length, 1)
  assert.ok(lost >= 2 && sent > lost)

  let calls = 0
  const save = debounce(async (value) => ((calls += 1), value), 30)
  assert.deepEqual(await Promise.all([save('a'), save('b'), save('c')]), ['c', 'c', 'c'])
  assert.equal(calls, 1)
  const waiting = save('d')
  save.cancel()
  await assert.rejects(waiting, { name: 'AbortError' })
  assert.equal(calls, 1)
})

finish()
