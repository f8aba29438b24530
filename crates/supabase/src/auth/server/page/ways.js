// Passkeys and CAPTCHAs of the consent page. Everything else there works without.
(() => {
  const { auth, captcha, domain } = document.getElementById("ways").dataset;
  const say = (text) => { document.getElementById("said").textContent = text; };
  const ask = async (method, path, body) => {
    const answer = await fetch(auth + path, {
      method, credentials: "omit", cache: "no-store",
      headers: body ? { "content-type": "application/json" } : {}, body: body && JSON.stringify(body),
    });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(told.msg || told.message || "The server refused");
    return told;
  };

  // SHA-256 of a short text (FIPS 180-4): crypto.subtle is missing where a page came without TLS.
  const first = [], round = [];
  const bits = (root) => ((root - Math.floor(root)) * 4294967296) | 0;
  for (let number = 2; round.length < 64; number++) {
    let prime = true;
    for (let by = 2; by * by <= number; by++) if (number % by === 0) prime = false;
    if (!prime) continue;
    if (first.length < 8) first.push(bits(Math.sqrt(number)));
    round.push(bits(Math.cbrt(number)));
  }
  const turn = (word, by) => (word >>> by) | (word << (32 - by));
  const digest = (text) => {
    const blocks = ((text.length + 8) >> 6) + 1, words = new Int32Array(blocks * 16), state = first.slice();
    for (let at = 0; at < text.length; at++) words[at >> 2] |= text.charCodeAt(at) << (24 - 8 * (at & 3));
    words[text.length >> 2] |= 128 << (24 - 8 * (text.length & 3));
    words[words.length - 1] = text.length * 8;
    const w = new Int32Array(64);
    for (let block = 0; block < blocks; block++) {
      for (let i = 0; i < 64; i++) {
        if (i < 16) { w[i] = words[block * 16 + i]; continue; }
        const x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let i = 0; i < 64; i++) {
        const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + round[i] + w[i]) | 0;
        const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] = (state[i] + word) | 0; });
    }
    return state.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  };
  const work = async () => {
    const { algorithm, challenge, salt, maxnumber, signature } = await ask("GET", "/captcha");
    for (let number = 0; number <= maxnumber; number++) {
      if (number % 2000 === 0) await new Promise((rest) => setTimeout(rest));
      if (digest(salt + number) === challenge) return btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
    }
    throw new Error("The proof of work could not be found");
  };

  const FIELDS = { hcaptcha: "h-captcha-response", turnstile: "cf-turnstile-response" };
  const human = async () => {
    if (captcha === "pow") return work();
    return document.querySelector(`[name="${FIELDS[captcha]}"]`)?.value;
  };
  for (const field of document.querySelectorAll("input[name=captcha_token]")) {
    field.form.addEventListener("submit", (event) => {
      if (field.value) return;
      event.preventDefault();
      say("One moment…");
      work().then((token) => { field.value = token; field.form.submit(); }, (error) => say(error.message));
    });
  }

  const show = async (form) => {
    const token = captcha ? await human() : undefined;
    const { challenge_id, options } = await ask("POST", "/passkeys/authentication/options",
      token ? { gotrue_meta_security: { captcha_token: token } } : {});
    form.elements.challenge_id.value = challenge_id;
    form.elements.credential.value = await sign(options);
    form.submit();
  };
  const button = document.getElementById("passkey");
  if (button && signs(domain)) {
    button.hidden = false;
    button.addEventListener("click", () => show(button.form).catch((error) => say(error.message)));
  }
})();
