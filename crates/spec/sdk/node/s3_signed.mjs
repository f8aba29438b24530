// Signs what was sent to a store once more, as a client of another make does (aws4), and compares.

import { readFileSync } from "node:fs";
import aws4 from "aws4";

const ours = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "a-secret-of-the-store" };
const theirs = { ...ours, secretAccessKey: "another-secret" };
const all = JSON.parse(readFileSync(process.env.SENT, "utf8"));
if (all.length === 0) throw new Error("nothing was sent");

for (const { line, whole } of all) {
  const [head] = whole.split("\r\n\r\n", 1);
  const given = Object.fromEntries(
    head
      .split("\r\n")
      .slice(1)
      .map((text) => [text.slice(0, text.indexOf(":")).toLowerCase(), text.slice(text.indexOf(":") + 1).trim()]),
  );
  const names = /SignedHeaders=([^,]+)/.exec(given.authorization)[1].split(";");
  for (const needed of ["host", "x-amz-content-sha256", "x-amz-date"]) {
    if (!names.includes(needed)) throw new Error(`${needed} is not signed`);
  }
  const [method, path] = line.split(" ");
  const signed = (key) => {
    const headers = Object.fromEntries(names.map((name) => [name, given[name]]));
    // What the body hashes to is one of the headers; the spec looks whether that is so.
    const request = { service: "s3", region: "eu-central-1", method, path, headers };
    return aws4.sign(request, key).headers.Authorization;
  };
  const signature = (text) => /Signature=([0-9a-f]{64})/.exec(text)[1];
  if (signature(signed(ours)) !== signature(given.authorization)) {
    throw new Error(`${line}: ${given.authorization} is not ${signed(ours)}`);
  }
  if (signature(signed(theirs)) === signature(given.authorization)) throw new Error("any key would do");
}
console.log(`${all.length} requests are signed as another client signs them`);
