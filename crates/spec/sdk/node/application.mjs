// An application's page with the unmodified @supabase/supabase-js, served at http://localhost.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const supabase = readFileSync(join(dirname(createRequire(import.meta.url).resolve('@supabase/supabase-js')), 'umd/supabase.js'))

/** Serves it until `site` is closed; `script` runs in the page once supabase-js is there. */
export async function application(script) {
  const page = `<!doctype html><meta charset="utf-8"><title>An application</title><script src="/supabase.js"></script><script>${script}</script>`
  const site = createServer((ask, answer) => {
    const is_script = ask.url === '/supabase.js'
    answer.setHeader('content-type', is_script ? 'text/javascript' : 'text/html')
    answer.end(is_script ? supabase : page)
  }).listen(0, 'localhost')
  await once(site, 'listening')
  return { site, home: `http://localhost:${site.address().port}` }
}
