// The demo application through graphql-js, Apollo Client, urql and GraphiQL, all unmodified, as an administrator.
//
// PALISADE_URL says where. With PALISADE_TOKEN the administrator is a person: every client sends the token of their
// session beside PALISADE_KEY, and GraphiQL's page at PALISADE_PAGE, another origin that the operator listed, asks
// Palisade itself. Without it the administrator is a program with PALISADE_SECRET: a page never holds the secret key, so
// the small server that serves GraphiQL's page adds the key to what it passes on.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, parse, printSchema, validate } from 'graphql'
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client/core/index.js'
import { Client, cacheExchange, fetchExchange } from '@urql/core'
import { claim, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_SECRET: secret, PALISADE_BROWSER: browser } = process.env
const { PALISADE_KEY: key, PALISADE_TOKEN: token, PALISADE_PAGE: place = 'http://127.0.0.1:0' } = process.env
const headers = token ? { apikey: key, authorization: `Bearer ${token}` } : { apikey: secret }
// What `palisade graphql sdl` and `types` printed, as plain.sdl and so on.
const { PALISADE_SCHEMAS: schemas } = process.env
const paths = { plain: `${url}/api/v1/graphql`, relay: `${url}/graphql/v1` }

const introspected = {}
for (const [name, path] of Object.entries(paths)) {
  await claim(`graphql-js builds the ${name} schema from its own introspection query and validates against it`, async () => {
    const answer = await fetch(path, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ query: getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: false }) }),
    })
    const { data, errors } = await answer.json()
    assert.equal(errors, undefined)
    const schema = buildClientSchema(data)
    introspected[name] = schema
    assert.match(printSchema(schema), /type Mutation/)
    const fits = name === 'plain' ? '{ projects(limit: 2) { id name tasks(limit: 1) { title } } }' : '{ projectsCollection(first: 2) { edges { node { id name } } } }'
    assert.deepEqual(validate(schema, parse(fits)), [])
    assert.equal(validate(schema, parse('{ nothing }')).length, 1)
  })
}

if (schemas) {
  const modules = fileURLToPath(new URL('./node_modules', import.meta.url))
  for (const name of Object.keys(paths)) {
    await claim(`graphql-js reads the printed ${name} schema as the one it was told of, and tsc its types`, () => {
      const all = (schema) => printSchema(lexicographicSortSchema(schema))
      assert.equal(all(buildSchema(readFileSync(join(schemas, `${name}.sdl`), 'utf8'))), all(introspected[name]))
      const [field, row] = name === 'plain' ? ['projects', 'Projects'] : ['projectsCollection', 'projects']
      const use = `${readFileSync(join(schemas, `${name}.types`), 'utf8')}
        export const named: ${row}["name"] = "x"; export const found: Query["${field}"] | undefined = undefined
        // @ts-expect-error: there is no such column
        export const nothing: ${row}["nothing"] = 1\n`
      const file = join(schemas, `${name}.ts`)
      writeFileSync(file, use)
      const options = ['--strict', '--noEmit', '--target', 'es2022', '--module', 'es2022', '--moduleResolution', 'bundler']
      execFileSync(process.execPath, [join(modules, 'typescript/bin/tsc'), ...options, file], { encoding: 'utf8' })
    })
  }
}

await claim('Apollo Client reads, caches, and pages', async () => {
  const client = new ApolloClient({ link: new HttpLink({ uri: paths.plain, headers }), cache: new InMemoryCache() })
  const query = gql`query Projects($n: Int!) { projects(limit: $n, orderBy: [{ id: ASC }]) { id name tasks(limit: 2) { id title } } }`
  const first = await client.query({ query, variables: { n: 3 } })
  assert.equal(first.data.projects.length, 3)
  assert.equal(first.data.projects[0].__typename, 'Projects')
  const cached = await client.query({ query, variables: { n: 3 }, fetchPolicy: 'cache-only' })
  assert.deepEqual(cached.data, first.data)
  const wrong = await client.query({ query: gql`{ nothing }`, errorPolicy: 'all' })
  assert.match(wrong.errors[0].message, /Unknown field/)
})

await claim('urql reads by POST and by GET, and writes', async () => {
  const client = new Client({ url: paths.relay, exchanges: [cacheExchange, fetchExchange], fetchOptions: { headers }, preferGetMethod: false })
  const read = 'query P($after: Cursor) { projectsCollection(first: 1, after: $after) { pageInfo { endCursor hasNextPage } edges { node { nodeId id } } } }'
  const first = await client.query(read, {}).toPromise()
  assert.equal(first.error, undefined)
  const { endCursor: after } = first.data.projectsCollection.pageInfo
  const second = await client.query(read, { after }).toPromise()
  assert.notEqual(second.data.projectsCollection.edges[0].node.id, first.data.projectsCollection.edges[0].node.id)
  const got = await client.query('{ __typename projectsCollection(first: 1) { edges { cursor } } }', {}, { preferGetMethod: 'force' }).toPromise()
  assert.equal(got.error, undefined)
  assert.equal(got.data.__typename, 'Query')
  const written = await client.mutation('mutation { updateprojectsCollection(set: { name: "x" }, filter: { nodeId: { eq: "WzFd" } }) { affectedCount } }', {}).toPromise()
  assert.match(written.error.message, /nodeId/)
})

await claim('GraphiQL loads the schema and runs a query in a browser', async () => {
  const asset = (name) => readFileSync(new URL(`./node_modules/${name}`, import.meta.url))
  const asked = token ? { at: paths.plain, headers } : { at: '/graphql', headers: {} }
  const page = `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/graphiql.css"><div id="app" style="height:100vh"></div>
    <script src="/react.js"></script><script src="/react-dom.js"></script><script src="/graphiql.js"></script>
    <script>const fetcher = async (params) => (await fetch(${JSON.stringify(asked.at)}, { method: 'POST', headers: { 'content-type': 'application/json', ...${JSON.stringify(asked.headers)} }, body: JSON.stringify(params) })).json()
    ReactDOM.createRoot(document.getElementById('app')).render(React.createElement(GraphiQL, { fetcher, defaultQuery: '{ projects(limit: 1) { name } }', onSchemaChange: (schema) => { window.types = Object.keys(schema.getTypeMap()) } }))</script>`
  const files = {
    '/': ['text/html', page],
    '/graphiql.css': ['text/css', asset('graphiql/graphiql.min.css')],
    '/react.js': ['text/javascript', asset('react/umd/react.production.min.js')],
    '/react-dom.js': ['text/javascript', asset('react-dom/umd/react-dom.production.min.js')],
    '/graphiql.js': ['text/javascript', asset('graphiql/graphiql.min.js')],
  }
  const server = createServer(async (request, response) => {
    if (request.url === '/graphql') {
      let body = ''
      for await (const chunk of request) body += chunk
      const answer = await fetch(paths.plain, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body })
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
      return
    }
    const [type, content] = files[request.url] ?? ['text/plain', '']
    response.writeHead(content ? 200 : 404, { 'content-type': type }).end(content)
  })
  await new Promise((resolve) => server.listen(Number(new URL(place).port), '127.0.0.1', resolve))
  const profile = mkdtempSync(join(tmpdir(), 'palisade-browser-'))
  const chromium = spawn(browser, ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'], { stdio: 'ignore' })
  try {
    const port = join(profile, 'DevToolsActivePort')
    await until('the browser to listen', () => existsSync(port) && readFileSync(port, 'utf8').includes('\n'))
    const [number] = readFileSync(port, 'utf8').split('\n')
    const target = await (await fetch(`http://127.0.0.1:${number}/json/new?http://127.0.0.1:${server.address().port}/`, { method: 'PUT' })).json()
    const evaluate = await connect(target.webSocketDebuggerUrl)
    await until('the schema to load', () => evaluate('Array.isArray(window.types) && window.types.includes("Projects")'))
    await until('the button', () => evaluate('!!document.querySelector("button.graphiql-execute-button")'))
    await evaluate('document.querySelector("button.graphiql-execute-button").click()')
    await until('the answer', () => evaluate('document.querySelector(".result-window, .graphiql-response")?.textContent.includes("projects") ?? false'))
  } finally {
    chromium.kill('SIGKILL')
    server.close()
    server.closeAllConnections()
  }
})

async function until(what, holds) {
  for (let tries = 0; tries < 300; tries++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`waited 30 s for ${what}`)
}

async function connect(address) {
  const socket = new WebSocket(address)
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject })
  let next = 0
  const waiting = new Map()
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data)
    waiting.get(message.id)?.(message.result?.result?.value)
  }
  return (expression) => new Promise((resolve) => {
    next += 1
    waiting.set(next, resolve)
    socket.send(JSON.stringify({ id: next, method: 'Runtime.evaluate', params: { expression, returnByValue: true } }))
  })
}

finish()
