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

/** What a browser keeps, by origin, and its way from page to page. */
export class Browser {
  #kept = new Map()

  /** Opens an address, with the cookies of that place and without going on. */
  async open(url) {
    const { origin } = new URL(url)
    const kept = this.#kept.get(origin) ?? new Map()
    this.#kept.set(origin, kept)
    const cookie = [...kept].map((pair) => pair.join('=')).join('; ')
    const seen = await fetch(url, { redirect: 'manual', headers: cookie ? { cookie } : {} })
    for (const line of seen.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split('=', 2)
      kept.set(name, value)
    }
    return seen
  }
}

/** From where an application was sent to the form that the browser would bring to us. */
export async function throughTheCompany(signIn, idp, browser = new Browser()) {
  let at = signIn
  if (!at.startsWith(idp)) {
    const begun = await browser.open(at)
    assert.equal(begun.status, 302, await begun.clone().text())
    at = begun.headers.get('location')
  }
  assert.ok(at.startsWith(idp), at)
  const page = await fetch(at)
  const cookie = page.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ')
  const login = form(await page.text(), idp)
  const done = await fetch(login.action, { method: 'POST', body: login.fields, headers: { cookie } })
  return { ...form(await done.text(), idp), at, browser }
}

/** What the browser does with it: another site's form brings no cookie, and where it is sent next it comes by itself. */
export async function bring(brought, browser = brought.browser) {
  const posted = await fetch(brought.action, { method: 'POST', body: brought.fields, redirect: 'manual' })
  const next = posted.headers.get('location') ?? ''
  return posted.status === 303 && next.startsWith(`${brought.action}?`) ? browser.open(next) : posted
}
