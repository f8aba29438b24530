// The makers' own receiver of Standard Webhooks, told what was sent: it takes that as it came, and nothing old, forged or signed by others.

import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { secret, headers, body } = JSON.parse(readFileSync(process.env.SENT, "utf8"));
const now = Date.now;

function refusal(receiver, text, more = {}) {
  try {
    receiver.verify(text, { ...headers, ...more });
    return null;
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

function holds(what, is) {
  if (!is) throw new Error(what);
  console.log(what);
}

const ours = new Webhook(secret);
holds("what came is taken", refusal(ours, body) === null);
holds("its body is what we read", JSON.parse(body).type === "alert.raised");
holds("a changed body is not", refusal(ours, body.replace("alert.raised", "alert.ended")) !== null);
holds("nor another id", refusal(ours, body, { "webhook-id": `${headers["webhook-id"]}x` }) !== null);
const later = String(Number(headers["webhook-timestamp"]) + 1);
holds("nor another time", refusal(ours, body, { "webhook-timestamp": later }) !== null);
const [version, mac] = headers["webhook-signature"].split(",");
const other = (mac[0] === "A" ? "B" : "A") + mac.slice(1);
holds("nor another signature", refusal(ours, body, { "webhook-signature": `${version},${other}` }) !== null);
holds("nor none", refusal(ours, body, { "webhook-signature": "" }) !== null);
const theirs = new Webhook(`whsec_${Buffer.alloc(32, 8).toString("base64")}`);
holds("somebody else's key takes nothing of ours", refusal(theirs, body) !== null);
Date.now = () => now() + 6 * 60 * 1000;
holds("six minutes later it is too old", /too old/.test(refusal(ours, body) ?? ""));
Date.now = () => now() - 6 * 60 * 1000;
holds("and six minutes before too new", /too new/.test(refusal(ours, body) ?? ""));
