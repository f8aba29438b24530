// Signing in with a wallet through the unmodified @supabase/supabase-js. The wallets are of this file: one of Ethereum (EIP-1193)
// and two of Solana (one signs what it is given, the other writes the text itself, as Wallet Standard has it).
//
// PALISADE_URL and PALISADE_KEY say where. The site is http://localhost:3000.

import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { createClient } from '@supabase/supabase-js'
import { claim, data, finish } from './claims.mjs'

const { PALISADE_URL: url, PALISADE_KEY: key } = process.env
const site = 'http://localhost:3000/'

const open = () => createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } })

// Keccak-256 (FIPS 202's sponge, with the padding of before it was a standard).
const WORD = (1n << 64n) - 1n
const turn = (word, by) => ((word << BigInt(by)) | (word >> BigInt(64 - by))) & WORD

function permute(a) {
  let lfsr = 1
  for (let round = 0; round < 24; round++) {
    const column = [0, 1, 2, 3, 4].map((x) => a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20])
    for (let at = 0; at < 25; at++) a[at] ^= column[(at + 4) % 5] ^ turn(column[(at + 1) % 5], 1)
    let [x, y, moved] = [1, 0, a[1]]
    for (let step = 0; step < 24; step++) {
      ;[x, y] = [y, (2 * x + 3 * y) % 5]
      const at = x + 5 * y
      const by = (((step + 1) * (step + 2)) / 2) % 64
      ;[a[at], moved] = [by ? turn(moved, by) : moved, a[at]]
    }
    for (let row = 0; row < 25; row += 5) {
      const line = a.slice(row, row + 5)
      for (let x = 0; x < 5; x++) a[row + x] = line[x] ^ (~line[(x + 1) % 5] & WORD & line[(x + 2) % 5])
    }
    for (let power = 0; power < 7; power++) {
      if (lfsr & 1) a[0] ^= 1n << BigInt((1 << power) - 1)
      lfsr = lfsr & 0x80 ? ((lfsr << 1) ^ 0x71) & 0xff : lfsr << 1
    }
  }
}

function keccak(bytes) {
  const rate = 136
  const padded = Buffer.alloc((Math.floor(bytes.length / rate) + 1) * rate)
  Buffer.from(bytes).copy(padded)
  padded[bytes.length] ^= 0x01
  padded[padded.length - 1] ^= 0x80
  const state = Array(25).fill(0n)
  for (let block = 0; block < padded.length; block += rate) {
    for (let at = 0; at < rate / 8; at++) state[at] ^= padded.readBigUInt64LE(block + 8 * at)
    permute(state)
  }
  const out = Buffer.alloc(32)
  for (let at = 0; at < 4; at++) out.writeBigUInt64LE(state[at], 8 * at)
  return out
}

// secp256k1: y² = x³ + 7.
const P = (1n << 256n) - (1n << 32n) - 977n
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const G = [0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n, 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n]
const mod = (number, by) => ((number % by) + by) % by
const power = (base, to, by) => {
  let made = 1n
  for (base = mod(base, by); to; to >>= 1n, base = (base * base) % by) if (to & 1n) made = (made * base) % by
  return made
}
const inverse = (number, by) => power(number, by - 2n, by)

function add(one, other) {
  if (!one || !other) return one ?? other
  if (one[0] === other[0] && one[1] !== other[1]) return null
  const slope = one[0] === other[0] ? 3n * one[0] * one[0] * inverse(2n * one[1], P) : (other[1] - one[1]) * inverse(other[0] - one[0], P)
  const x = mod(slope * slope - one[0] - other[0], P)
  return [x, mod(slope * (one[0] - x) - one[1], P)]
}

function times(factor) {
  let [sum, point] = [null, G]
  for (; factor; factor >>= 1n, point = add(point, point)) if (factor & 1n) sum = add(sum, point)
  return sum
}

const hex = (number) => number.toString(16).padStart(64, '0')
const number = (bytes) => BigInt(`0x${bytes.toString('hex')}`)

/** A wallet of Ethereum, as pages see one. `chain` and `letters` are how it writes its chain and its address. */
function ethereum({ lies = false } = {}) {
  const secret = mod(number(randomBytes(32)), N - 1n) + 1n
  const [x, y] = times(secret)
  const address = `0x${keccak(Buffer.from(hex(x) + hex(y), 'hex')).subarray(12).toString('hex')}`
  const asked = []
  const personalSign = (message) => {
    const text = Buffer.from(message.slice(2), 'hex')
    const spoken = Buffer.concat([Buffer.from(`\x19Ethereum Signed Message:\n${text.length}`), text])
    const digest = number(keccak(lies ? Buffer.concat([spoken, Buffer.from('!')]) : spoken))
    const once = mod(number(randomBytes(32)), N - 1n) + 1n
    const [rx, ry] = times(once)
    const r = mod(rx, N)
    let s = mod(inverse(once, N) * (digest + r * secret), N)
    let parity = Number(ry & 1n)
    if (s > N / 2n) [s, parity] = [N - s, 1 - parity]
    return `0x${hex(r)}${hex(s)}${(27 + parity).toString(16)}`
  }
  return {
    address,
    asked,
    async request({ method, params }) {
      asked.push(method)
      // Wallets write addresses with capitals here and there.
      if (method === 'eth_requestAccounts') return [`0x${address.slice(2).toUpperCase()}`]
      if (method === 'eth_chainId') return '0x1'
      assert.equal(method, 'personal_sign')
      return personalSign(params[0])
    },
  }
}

function base58(bytes) {
  const letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let [rest, text] = [number(Buffer.from(bytes)), '']
  for (; rest; rest /= 58n) text = letters[Number(rest % 58n)] + text
  for (const byte of bytes) if (byte === 0) text = `1${text}`; else break
  return text
}

/** A wallet of Solana. One that `writes` makes the text of what it is told; the other signs the text that it is given. */
function solana({ writes = false } = {}) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const address = base58(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const signed = (bytes) => new Uint8Array(sign(null, bytes, privateKey))
  if (!writes) {
    return { address, publicKey: { toBase58: () => address }, signMessage: async (bytes) => signed(bytes) }
  }
  return {
    address,
    async signIn({ domain, statement, uri, version, chainId, nonce, issuedAt, resources }) {
      const lines = [`${domain} wants you to sign in with your Solana account:`, address]
      if (statement) lines.push('', statement)
      lines.push('', `URI: ${uri}`, `Version: ${version}`)
      if (chainId) lines.push(`Chain ID: ${chainId}`)
      if (nonce) lines.push(`Nonce: ${nonce}`)
      lines.push(`Issued At: ${issuedAt}`)
      if (resources) lines.push('Resources:', ...resources.map((resource) => `- ${resource}`))
      const text = new TextEncoder().encode(lines.join('\n'))
      return [{ account: { address }, signedMessage: text, signature: signed(text) }]
    },
  }
}

/** Signs in twice, and is the same account. */
async function comesIn(chain, wallet, more = {}) {
  const seen = []
  for (const statement of ['Come in.', undefined]) {
    const client = open()
    const { user, session } = data(await client.auth.signInWithWeb3({ chain, wallet, statement, options: { url: site, ...more } }))
    assert.equal(user.app_metadata.provider, 'web3')
    assert.equal(user.identities[0].id, `web3:${chain}:${wallet.address}`)
    assert.ok(session.access_token)
    assert.equal(data(await client.auth.getUser()).user.id, user.id)
    assert.ok(data(await client.auth.refreshSession()).session.access_token)
    seen.push(user.id)
  }
  assert.equal(seen[0], seen[1])
  return seen[0]
}

await claim('the hash of these wallets is Ethereum\'s', async () => {
  assert.equal(keccak(Buffer.from('')).toString('hex'), 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470')
  assert.equal(createHash('sha256').update('').digest().length, 32)
})

await claim('signInWithWeb3 with a wallet of Ethereum opens its account, and another wallet another', async () => {
  const [wallet, other] = [ethereum(), ethereum()]
  const id = await comesIn('ethereum', wallet)
  assert.deepEqual(wallet.asked.slice(0, 3), ['eth_requestAccounts', 'eth_chainId', 'personal_sign'])
  assert.notEqual(await comesIn('ethereum', other), id)
  const soon = new Date(Date.now() + 60_000)
  const all = { chainId: 137, nonce: randomBytes(8).toString('hex'), expirationTime: soon, notBefore: new Date(Date.now() - 60_000), requestId: 'r1', resources: ['https://localhost/terms'] }
  assert.equal(await comesIn('ethereum', wallet, { signInWithEthereum: all }), id)
})

await claim('signInWithWeb3 with a wallet of Solana that signs a text opens its account', async () => {
  const wallet = solana()
  const id = await comesIn('solana', wallet)
  const all = { chainId: 'mainnet', nonce: randomBytes(8).toString('hex'), requestId: 'r1', expirationTime: new Date(Date.now() + 60_000).toISOString(), resources: ['https://localhost/terms'] }
  assert.equal(await comesIn('solana', wallet, { signInWithSolana: all }), id)
})

await claim('signInWithWeb3 with a wallet of Solana that writes the text itself opens its account', async () => {
  const wallet = solana({ writes: true })
  const id = await comesIn('solana', wallet)
  const all = { chainId: 'solana:mainnet', nonce: randomBytes(8).toString('hex'), resources: ['https://localhost/terms'] }
  assert.equal(await comesIn('solana', wallet, { signInWithSolana: all }), id)
})

await claim('a signature of something else, for another site, or shown again opens nothing, in words the client reads', async () => {
  const lying = await open().auth.signInWithWeb3({ chain: 'ethereum', wallet: ethereum({ lies: true }), options: { url: site } })
  assert.equal(lying.error?.status, 400, lying.error?.message)
  const elsewhere = await open().auth.signInWithWeb3({ chain: 'ethereum', wallet: ethereum(), options: { url: 'https://evil.example/' } })
  assert.equal(elsewhere.error?.status, 400, elsewhere.error?.message)
  assert.equal(elsewhere.data.session, null)
  const wallet = ethereum()
  const kept = {}
  const watched = { request: async (asked) => {
    const answer = await wallet.request(asked)
    if (asked.method === 'personal_sign') Object.assign(kept, { message: Buffer.from(asked.params[0].slice(2), 'hex').toString(), signature: answer })
    return answer
  } }
  data(await open().auth.signInWithWeb3({ chain: 'ethereum', wallet: watched, options: { url: site } }))
  const again = await open().auth.signInWithWeb3({ chain: 'ethereum', ...kept })
  assert.equal(again.error?.status, 400, again.error?.message)
})

finish()
