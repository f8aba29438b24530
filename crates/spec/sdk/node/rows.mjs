// Every method of the unmodified @supabase/postgrest-js, and that none of them is left out: what is called is counted as it is called.
//
// PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where. What rows.sql makes is there already; the schema `aside` is served second.

import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key, PALISADE_SECRET: secret } = process.env
const open = (with_key = key) => createClient(url, with_key, { auth: { persistSession: false, autoRefreshToken: false } })
const ann = open(), bea = open(), operator = open(secret)
const things = () => ann.from('kept_things')
const ids = async (query) => data(await query.order('id')).map((row) => row.id)
const found = (filter) => ids(filter(things().select('id')))

// Each method of each class, and those that were called.
const methods = new Set(), called = new Set()
for (let of of [ann.rest, things(), things().select()]) {
  for (of = Object.getPrototypeOf(of); of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const name of Object.getOwnPropertyNames(of)) {
      // Its own clockwork.
      if (['constructor', 'cloneRequestState', 'decorateFetch', 'then', 'processResponse'].includes(name)) continue
      const method = of[name]
      methods.add(name)
      of[name] = function (...given) {
        called.add(name)
        return method.apply(this, given)
      }
    }
  }
}

await claim('two people sign up', async () => {
  for (const [client, name] of [[ann, 'ann'], [bea, 'bea']]) {
    data(await client.auth.signUp({ email: `${name}-rows@example.com`, password: 'Correct-Horse-9!Battery' }))
  }
})

await claim('rows of different columns are inserted at once, with defaults or with nulls', async () => {
  const rows = [
    { id: 1, name: 'a red rose', words: ['a', 'b'], facts: { a: 1, deep: { b: [1, 2] } }, span: '[1,5)', rank: 1, done: true },
    { id: 2, name: 'Two, (odd) "things"', words: ['b', 'c,d'], facts: { a: 2 }, span: '[5,9)', rank: 2, done: false },
    { id: 3, name: '100%_sure', words: ['e'], facts: {}, span: '[20,30)', rank: 3 },
    { id: 4, name: 'ünïcode 🌱' },
  ]
  assert.equal((await things().insert(rows)).error?.code, '23502', 'what is left out is null')
  const made = await things().insert(rows, { defaultToNull: false, count: 'exact' }).select('id,words,size').order('id')
  assert.deepEqual(data(made)[3], { id: 4, words: [], size: 7 })
  assert.deepEqual([made.count, made.status], [4, 201])
  const parts = [[1, 1, 'stem'], [2, 1, 'leaf'], [3, 1, 'thorn'], [4, 2, 'odd']].map(([id, thing_id, name]) => ({ id, thing_id, name }))
  data(await ann.from('kept_parts').insert(parts))
})

await claim('values are compared', async () => {
  assert.deepEqual(await found((q) => q.eq('rank', 2)), [2])
  assert.deepEqual(await found((q) => q.neq('rank', 2)), [1, 3])
  assert.deepEqual(await found((q) => q.gt('rank', 2)), [3])
  assert.deepEqual(await found((q) => q.gte('rank', 2)), [2, 3])
  assert.deepEqual(await found((q) => q.lt('rank', 2)), [1])
  assert.deepEqual(await found((q) => q.lte('rank', 2)), [1, 2])
  assert.deepEqual(await found((q) => q.is('rank', null)), [4])
  assert.deepEqual(await found((q) => q.is('done', true)), [1])
  assert.deepEqual(await found((q) => q.is('done', 'not_null')), [1, 2])
  assert.deepEqual(await found((q) => q.isDistinct('rank', 2)), [1, 3, 4])
  assert.deepEqual(await found((q) => q.in('name', ['a red rose', 'ünïcode 🌱', '100%_sure'])), [1, 3, 4])
  assert.deepEqual(await found((q) => q.in('rank', [])), [])
  assert.deepEqual(await found((q) => q.notIn('rank', [1, 3])), [2])
  assert.deepEqual(await found((q) => q.match({ rank: 1, done: true })), [1])
  assert.deepEqual(await found((q) => q.not('rank', 'in', '(1,2)')), [3])
  assert.deepEqual(await found((q) => q.or('rank.eq.1,and(rank.gt.1,done.is.false)')), [1, 2])
  assert.deepEqual(await found((q) => q.filter('facts->deep->b->>0', 'eq', '1')), [1])
  assert.deepEqual(await found((q) => q.filter('name', 'in', '("Two, (odd) \\"things\\"")')), [2])
})

await claim('texts are matched', async () => {
  assert.deepEqual(await found((q) => q.like('name', '%red%')), [1])
  assert.deepEqual(await found((q) => q.like('name', '100\\%\\_s*')), [3])
  assert.deepEqual(await found((q) => q.likeAllOf('name', ['a%', '%rose'])), [1])
  assert.deepEqual(await found((q) => q.likeAnyOf('name', ['a%', '%🌱'])), [1, 4])
  assert.deepEqual(await found((q) => q.ilike('name', 'TWO%')), [2])
  assert.deepEqual(await found((q) => q.ilikeAllOf('name', ['A%', '%ROSE'])), [1])
  assert.deepEqual(await found((q) => q.ilikeAnyOf('name', ['A%', 'TWO%'])), [1, 2])
  assert.deepEqual(await found((q) => q.regexMatch('name', '^[0-9]+%')), [3])
  assert.deepEqual(await found((q) => q.regexIMatch('name', '^(A RED|TWO)')), [1, 2])
  for (const [type, query] of [[undefined, 'red & roses'], ['plain', 'roses red'], ['phrase', 'red roses'], ['websearch', '"red roses" -blue']]) {
    assert.deepEqual(await found((q) => q.textSearch('search', query, { type, config: 'english' })), [1], type)
  }
  assert.deepEqual(await found((q) => q.textSearch('name', 'odd')), [2], 'a text is made one to be searched')
})

await claim('arrays, JSON and ranges are compared with each other', async () => {
  assert.deepEqual(await found((q) => q.contains('words', ['b'])), [1, 2])
  assert.deepEqual(await found((q) => q.contains('words', '{"c,d"}')), [2])
  assert.deepEqual(await found((q) => q.contains('facts', { deep: { b: [2] } })), [1])
  assert.deepEqual(await found((q) => q.contains('span', '[2,3)')), [1])
  assert.deepEqual(await found((q) => q.containedBy('words', ['a', 'b', 'e'])), [1, 3, 4])
  assert.deepEqual(await found((q) => q.containedBy('facts', { a: 2, z: 1 })), [2, 3, 4])
  assert.deepEqual(await found((q) => q.containedBy('span', '[1,9)')), [1, 2, 4])
  assert.deepEqual(await found((q) => q.overlaps('words', ['a', 'e'])), [1, 3])
  assert.deepEqual(await found((q) => q.overlaps('span', '[4,6)')), [1, 2])
  assert.deepEqual(await found((q) => q.rangeGt('span', '[1,9)')), [3])
  assert.deepEqual(await found((q) => q.rangeGte('span', '[5,9)')), [2, 3])
  assert.deepEqual(await found((q) => q.rangeLt('span', '[5,9)')), [1])
  assert.deepEqual(await found((q) => q.rangeLte('span', '[5,9)')), [1, 2])
  assert.deepEqual(await found((q) => q.rangeAdjacent('span', '[5,9)')), [1])
})

await claim('rows and what is in them are ordered, limited and paged', async () => {
  const ranks = async (options) => data(await things().select('rank').order('rank', options)).map((row) => row.rank)
  assert.deepEqual(await ranks({ nullsFirst: true }), [null, 1, 2, 3])
  assert.deepEqual(await ranks({ ascending: false, nullsFirst: false }), [3, 2, 1, null])
  assert.deepEqual(data(await things().select('id').order('done', { nullsFirst: false }).order('id', { ascending: false }).limit(3)).map((row) => row.id), [2, 1, 4])
  const page = await things().select('id', { count: 'exact' }).order('id').range(1, 2)
  assert.deepEqual([data(page), page.count, page.status], [[{ id: 2 }, { id: 3 }], 4, 206])
  const one = things().select('id,kept_parts(name)').eq('id', 1)
  const of = { referencedTable: 'kept_parts' }
  assert.deepEqual(data(await one.order('name', of).limit(2, of).single()).kept_parts.map((part) => part.name), ['leaf', 'stem'])
  const next = things().select('id,kept_parts(name)').eq('id', 1).order('name', { foreignTable: 'kept_parts' }).range(1, 5, of)
  assert.deepEqual(data(await next.single()).kept_parts.map((part) => part.name), ['stem', 'thorn'])
  const some = things().select('id,kept_parts!inner(name)').or('name.eq.odd,name.eq.leaf', of)
  assert.deepEqual(await ids(some), [1, 2])
  for (const count of ['planned', 'estimated']) assert.equal(typeof (await things().select('id', { count, head: true })).count, 'number', count)
})

await claim('an answer is one row, none, a table, features or without nulls', async () => {
  assert.equal(data(await things().select('id').eq('id', 1).single()).id, 1)
  assert.equal((await things().select('id').single()).error?.code, 'PGRST116')
  assert.equal(data(await things().select('id').eq('id', 9).maybeSingle()), null)
  assert.equal((await things().select('id').maybeSingle()).error?.code, 'PGRST116')
  assert.equal(data(await things().select('id,rank').gt('id', 2).order('id').csv()), 'id,rank\n3,3\n4,')
  const map = data(await things().select('id,rank').eq('id', 1).geojson())
  assert.deepEqual(map, { type: 'FeatureCollection', features: [{ type: 'Feature', geometry: null, properties: { id: 1, rank: 1 } }] })
  assert.deepEqual(data(await things().select('id,rank').eq('id', 4).stripNulls()), [{ id: 4 }])
  assert.deepEqual(data(await things().select('id,rank').eq('id', 4).single().stripNulls()), { id: 4 })
  assert.throws(() => things().select().csv().stripNulls())
  assert.deepEqual(data(await things().select('id').eq('id', 1).returns()), [{ id: 1 }])
  assert.deepEqual(data(await things().select('id').eq('id', 1).overrideTypes()), [{ id: 1 }])
})

await claim('the operator alone is told how rows are found', async () => {
  const plan = data(await operator.from('kept_things').select('id').eq('id', 1).explain({ format: 'json', verbose: true, settings: true }))
  assert.ok(plan[0].Plan['Node Type'], JSON.stringify(plan))
  const text = data(await operator.from('kept_things').select('id').explain({ analyze: true, buffers: true, wal: true }))
  assert.match(text, /actual time/)
  assert.deepEqual([(await things().select('id').explain()).status, (await things().select('id').explain()).error?.code], [406, 'PGRST107'])
})

await claim('rows are changed, put, and removed, and never more than were meant', async () => {
  const changed = await things().update({ rank: 9 }, { count: 'exact' }).eq('id', 3).select('rank').single()
  assert.deepEqual([data(changed), changed.count], [{ rank: 9 }, 1])
  const row = { id: 5, name: 'five', rank: 5 }
  assert.equal(data(await things().upsert(row, { count: 'exact' }).select('size').single()).size, 7)
  assert.deepEqual(data(await things().upsert({ ...row, rank: 50 }, { onConflict: 'id', ignoreDuplicates: true }).select()), [])
  const put = await things().upsert([{ ...row, rank: 55 }, { id: 6, name: 'six', size: 6 }], { onConflict: 'id', defaultToNull: false }).select('id,rank,size').order('id')
  assert.deepEqual(data(put), [{ id: 5, rank: 55, size: 7 }, { id: 6, rank: null, size: 6 }])
  const many = await things().update({ done: false }).gt('id', 4).maxAffected(1).select()
  assert.deepEqual([many.status, many.error?.code], [400, 'PGRST124'])
  assert.deepEqual(await found((q) => q.gt('id', 4).is('done', null)), [5, 6], 'nothing of it happened')
  data(await things().update({ done: false }).gt('id', 4).maxAffected(2))
  assert.equal((await things().delete().gt('id', 4).maxAffected(1)).error?.code, 'PGRST124')
  const gone = await things().delete({ count: 'exact' }).eq('id', 6).maxAffected(1)
  assert.deepEqual([gone.count, gone.status], [1, 204])
})

await claim('nobody is told that what was kept was rolled back', async () => {
  let answered
  const told = createClient(url, key, {
    accessToken: async () => data(await ann.auth.getSession()).session.access_token,
    global: { fetch: async (...asked) => (answered = await fetch(...asked)) },
  })
  const answer = await told.from('kept_things').update({ rank: 56 }).eq('id', 5).select('rank').rollback()
  assert.deepEqual(data(answer), [{ rank: 56 }])
  assert.equal(answered.headers.get('preference-applied'), 'return=representation')
  assert.deepEqual(await found((q) => q.eq('rank', 56)), [5])
})

await claim('functions are called with rows, arrays, objects, by GET and by HEAD', async () => {
  assert.deepEqual(await ids(ann.rpc('things_like', { part: '%e%' }).select('id').neq('id', 3)), [1, 4, 5])
  assert.equal(data(await ann.rpc('sum_of', { numbers: [1, 2, 3] })), 6)
  assert.equal(data(await ann.rpc('sum_of', { numbers: [1, 2, 3] }, { get: true })), 6)
  assert.equal(data(await ann.rpc('word_of', { told: { word: 'ü "q"' } })), 'ü "q"')
  const counted = await ann.rpc('things_like', { part: '%' }, { head: true, count: 'exact' })
  assert.deepEqual([counted.data, counted.count], [null, 5])
  data(await ann.rpc('word_of', { told: { word: 'x' } }, { head: true, count: 'exact' }))
  assert.deepEqual(data(await ann.rpc('things_like', { part: 'a%' }, { get: true, count: 'exact' }).single()).id, 1)
  assert.equal(data(await ann.rpc('things_like', { part: 'a%' }).select('id,kept_parts(id)').csv()).split('\n')[0], 'id,kept_parts')
  assert.equal((await ann.rpc('forget_things', { of: 'five' }).maxAffected(0)).error?.code, 'PGRST124')
  assert.equal(data(await ann.rpc('forget_things', { of: 'five' }).maxAffected(1)).length, 1)
})

await claim('another schema is asked for by name, and what is not served is refused', async () => {
  const aside = ann.schema('aside')
  assert.deepEqual(data(await aside.from('kept_things').insert({ id: 1, name: 'aside' }).select('name')), [{ name: 'aside' }])
  assert.deepEqual(data(await aside.from('kept_things').select('id,name')), [{ id: 1, name: 'aside' }])
  assert.deepEqual(data(await bea.schema('aside').from('kept_things').select()), [])
  const refused = await ann.schema('auth').from('users').select()
  assert.deepEqual([refused.status, refused.error?.code], [406, 'PGRST106'])
  const spec = data(await ann.rest.getOpenApiSpec())
  assert.ok(spec.paths['/kept_things'] && spec.definitions.kept_things.properties.words, Object.keys(spec.paths).join())
  const other = data(await aside.getOpenApiSpec())
  assert.ok(!other.definitions.kept_things.properties.words && other.definitions.kept_things.properties.name)
})

await claim('a request is stopped, tried again or not, told more, and throws where that is asked for', async () => {
  const stop = new AbortController()
  stop.abort()
  assert.match((await things().select().abortSignal(stop.signal)).error?.message, /abort/i)
  await assert.rejects(async () => await things().select('nothing').throwOnError(), { code: '42703' })
  assert.equal(data(await things().select('id').eq('id', 1).retry(false)).length, 1)
  const zoned = await things().update({ rank: 1 }).eq('id', 1).setHeader('Prefer', 'return=minimal, handling=strict, timezone=Europe/Nowhere')
  assert.equal(zoned.error?.code, '22023')
})

await claim('the other person sees nothing of it by any way of asking', async () => {
  const hers = (columns, options) => bea.from('kept_things').select(columns, options)
  assert.deepEqual([data(await hers()), data(await hers('id').csv()), data(await hers('id').geojson()).features], [[], '\n', []])
  assert.equal((await hers('*', { count: 'exact', head: true })).count, 0)
  assert.deepEqual(data(await bea.rpc('things_like', { part: '%' })), [])
  assert.deepEqual(data(await bea.from('kept_things').update({ rank: 0 }).gt('id', 0).select()), [])
  assert.equal((await bea.from('kept_things').upsert({ id: 1, name: 'mine' })).error?.code, '42501')
})

await claim('none of its methods was left out', async () => {
  assert.ok(methods.size > 50, `${methods.size} methods`)
  assert.deepEqual([...methods].filter((name) => !called.has(name)), [])
})

finish()
