// A browser played by fetch: it follows the forms of saml-idp as a browser would, and knows nothing of SAML.

import assert from 'node:assert/strict'

const unescape = (text) => text.replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(parseInt(hex, 16)))
  .replace(/&quot;/g, '"').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&#61;/g, '=').replace(/&amp;/g, '&')

/** The first form of a page that is sent by POST. */
function form(page, base) {
  const found = page.match(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/)
  assert.ok(found, page.slice(0, 2000))
  const fields = new URLSearchParams()
  for (const [input] of found[2].matchAll(/<input[^>]*>/g)) {
    const name = input.match(/name=["']([^"']*)["']/)?.[1]
    const value = input.match(/value=["']([^"']*)["']/)?.[1] ?? ''
    if (name && value) fields.append(name, unescape(value))
  }
  const format = found[2].match(/<select[^>]*name="nameIdFormat"[\s\S]*?<option>([^<]*)/)?.[1]
  if (format) fields.append('nameIdFormat', format)
  return { action: new URL(unescape(found[1]), base), fields }
}

/** From the provider's sign-in page to the form that the browser would bring to us. */
export async function throughTheCompany(signIn, idp) {
  const page = await fetch(signIn)
  const cookie = page.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ')
  const login = form(await page.text(), idp)
  const done = await fetch(login.action, { method: 'POST', body: login.fields, headers: { cookie } })
  return form(await done.text(), idp)
}

/** What the browser does with it. */
export const bring = (brought) => fetch(brought.action, { method: 'POST', body: brought.fields, redirect: 'manual' })
