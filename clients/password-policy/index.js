// What a password must be, checked while somebody types. The rules come from the server, which checks them again.

/** What the rules call the sets that both guides name. */
const NAMES = [
  ['abcdefghijklmnopqrstuvwxyz', 'a lowercase letter'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'an uppercase letter'],
  ['0123456789', 'a number'],
  ['!@#$%^&*', 'a special character (!@#$%^&*)'],
]

/** The rules in force at `url`, the address that createClient takes. */
export async function fetchPolicy(url, fetchWith = globalThis.fetch) {
  const answer = await fetchWith(new URL('auth/v1/password-policy', url.endsWith('/') ? url : `${url}/`))
  if (!answer.ok) throw new Error(`the password policy was answered with ${answer.status}`)
  return answer.json()
}

/** What is wrong with a password, in words for the person who types it; empty when the server will take it. */
export function validatePassword(password, policy) {
  const errors = []
  const characters = Array.from(password)
  if (characters.length < policy.min_length) errors.push(`Password must be at least ${policy.min_length} characters`)
  if (characters.length > policy.max_length) errors.push(`Password must be at most ${policy.max_length} characters`)
  for (const set of policy.required_characters) {
    if (characters.some((character) => set.includes(character))) continue
    const known = NAMES.find(([characters]) => characters === set)
    errors.push(`Password must contain ${known ? known[1] : `one of ${set}`}`)
  }
  return errors
}
