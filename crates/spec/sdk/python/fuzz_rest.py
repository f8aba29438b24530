"""The data API against schemathesis, from its own description: as nobody, as somebody and as a program.

PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where, PALISADE_EXAMPLES how many requests for each operation,
PALISADE_SEED from which seed, and PALISADE_PHASES which of schemathesis' phases; with PALISADE_VERBOSE it counts refusals
by their words. The description of each caller is their own: what they may not use is not in it.
"""

import collections
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import zlib

import httpx

URL = os.environ["PALISADE_URL"]
KEY, SECRET = os.environ["PALISADE_KEY"], os.environ["PALISADE_SECRET"]
SEED, EXAMPLES = os.environ.get("PALISADE_SEED", "1"), os.environ.get("PALISADE_EXAMPLES", "8")
PHASES = os.environ.get("PALISADE_PHASES", "fuzzing")
CHECKS = ["not_a_server_error", "status_code_conformance", "answers_as_described"]
OPERATORS = [
    "eq.{}", "neq.{}", "gt.{}", "lte.{}", "like.*{}*", "ilike.{}", "match.{}", "imatch.{}", "in.({},{})", "is.null",
    "is.not_null", "is.true", "not.is.{}", "isdistinct.{}", "cs.{{{}}}", "cd.{}", "ov.[{},{}]", "sl.({},{})", "nxr.{}",
    "adj.{}", "fts.{}", "plfts(english).{}", "phfts.{}", "wfts({}).{}", "not.eq.{}", "eq(any).{{{},{}}}",
    "like(all).{{{}}}", "{}", "not.{}",
]  # fmt: skip
FORMS = [
    "{0}", "{0}::text", "other:{0}", "{0}->a", "{0}->>0", "{0}->a->>b::int", "{0}.count()", "count()", "{0}.max()", "{0}.sum()::text",
    "*,{1}(*)", "{1}!inner({0})", "...{1}({0})", "{0},{1}!left(*)", "{0}::{2}", "{2}", "{0},{0}", "*,{2}(*)",
]  # fmt: skip
HEADERS = [
    {"Prefer": "count=exact, return=representation"}, {"Prefer": "count=planned"}, {"Prefer": "count=estimated"},
    {"Prefer": "return=headers-only"}, {"Prefer": "missing=default, return=representation"}, {"Prefer": "timezone=Mars/Olympus"},
    {"Prefer": "handling=strict, max-affected=1"}, {"Prefer": "handling=strict, nonsense=1"}, {"Prefer": "tx=rollback"},
    {"Accept": "text/csv"}, {"Accept": "application/vnd.pgrst.object+json"}, {"Accept": "application/vnd.pgrst.plan+json"},
    {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}, {"Accept": "application/geo+json"}, {"Accept": "*/*;q=0"},
    {"Accept-Profile": "public"}, {"Accept-Profile": "auth"}, {"Content-Profile": "pg_catalog"}, {"Range": "2-1"},
    {"Range": "0-"}, {"Content-Type": "text/csv"}, {"Content-Type": "text/plain"}, {"Idempotency-Key": "the same key every time"},
    {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "application/octet-stream"},
]  # fmt: skip


def chance(text, of):
    """The same choice for the same text, so that what was found is found again."""
    return of[zlib.crc32(text.encode(errors="replace")) % len(of)]


def hooks():
    """Loaded by schemathesis: words that mean something in place of some of what it invents, and a count of the answers."""
    import atexit

    import schemathesis
    from schemathesis.specs.openapi import checks

    seen = collections.Counter()
    tables = json.loads(os.environ["PALISADE_TABLES"])

    @schemathesis.check
    def answers_as_described(context, response, case):
        # An answer without a body has no type; Swagger 2.0 has no word for that.
        if not response.content:
            return None
        checks.content_type_conformance(context, response, case)
        # A row of which only a part was asked for lacks what it must have when it is whole.
        accept = response.request.headers.get("accept", "")
        asked_in_part = response.status_code < 300 and ("select" in (case.query or {}) or "vnd.pgrst" in accept)
        return None if asked_in_part else checks.response_schema_conformance(context, response, case)

    @schemathesis.hook
    def map_query(context, query):
        if not query:
            return query
        known = context.operation.path.strip("/")
        columns = tables.get(known) or ["id"]
        for name, value in list(query.items()):
            if not isinstance(value, str) or chance("keep" + value, [True, False, False]):
                continue
            column, other = chance("column" + value, columns), chance("other" + value, sorted(tables) or ["x"])
            if name == "select":
                query[name] = chance(value, FORMS).format(column, other, value)
            elif name == "order":
                query[name] = chance(value, ["{0}.desc", "{0}.asc.nullsfirst", "{1}({0})", "{0}->a.desc", "{2}"]).format(
                    column, other, value
                )
            elif name in ("limit", "offset"):
                query[name] = chance(value, ["0", "1", "5", "-1", "9223372036854775807", "99999999999999999999", value])
            elif not known.startswith("rpc/"):
                query[name] = chance(value, OPERATORS).format(value, value)
        return query

    @schemathesis.hook
    def before_call(context, case, kwargs):
        said = json.dumps([case.method, case.path, dict(case.query or {}), str(case.body)], default=str)
        if case.headers is not None and chance("wish" + said, [True, False]):
            case.headers.update(chance(said, HEADERS))

    @schemathesis.hook
    def after_call(context, case, response):
        seen[f"{case.method} {response.status_code}"] += 1
        if os.environ.get("PALISADE_VERBOSE") and response.status_code >= 400:
            with contextlib.suppress(ValueError, KeyError):
                body = json.loads(response.content)
                seen[f"   {body['code']} {body['message'][:60]}"] += 1
        if response.status_code >= 500:
            with open(os.environ["PALISADE_SEEN"] + ".broken", "a") as out:
                request = response.request
                print(request.method, request.url, dict(request.headers), request.body, file=out)
                print("   ", response.status_code, response.text[:400], file=out)

    @atexit.register
    def tell():
        with open(os.environ["PALISADE_SEEN"], "w") as out:
            json.dump(seen, out)


def somebody():
    """A new account's token."""
    account = {"email": f"fuzz-{os.getpid()}@example.com", "password": "Correct-Horse-9!Battery"}
    answer = httpx.post(f"{URL}/auth/v1/signup", json=account, headers={"apikey": KEY})
    return answer.raise_for_status().json()["access_token"]


def main():
    callers = {
        "nobody": {"apikey": KEY, "Authorization": f"Bearer {KEY}"},
        "somebody": {"apikey": KEY, "Authorization": f"Bearer {somebody()}"},
        "a program": {"apikey": SECRET, "Authorization": f"Bearer {SECRET}"},
    }
    broken = False
    for who, headers in callers.items():
        description = httpx.get(f"{URL}/rest/v1/", headers=headers).raise_for_status().json()
        tables = {name: list(one.get("properties", {})) for name, one in description["definitions"].items()}
        with tempfile.TemporaryDirectory() as place:
            with open(f"{place}/api.json", "w") as out:
                json.dump(description, out)
            command = [sys.executable, "-B", "-m", "schemathesis.cli", "run", f"{place}/api.json", "--url", f"{URL}/rest/v1"]
            command += ["--checks", ",".join(CHECKS), "--phases", PHASES, "--seed", SEED]
            command += ["--max-examples", EXAMPLES, "--workers", "1", "--continue-on-failure", "--warnings", "off"]
            command += ["--suppress-health-check", "all", "--generation-database", "none", "--no-color"]
            for name, value in headers.items():
                command += ["--header", f"{name}:{value}"]
            told = {
                **os.environ,
                "SCHEMATHESIS_HOOKS": "fuzz_rest",
                "PYTHONPATH": os.path.dirname(os.path.abspath(__file__)),
                "PALISADE_TABLES": json.dumps(tables),
                "PALISADE_SEEN": f"{place}/seen.json",
            }
            ended = subprocess.run(command, cwd=place, env=told, capture_output=True, text=True)
            with open(f"{place}/seen.json") as counted:
                seen = collections.Counter(json.load(counted))
            if os.path.exists(f"{place}/seen.json.broken"):
                with open(f"{place}/seen.json.broken") as found:
                    print(found.read())
        ok = sum(count for answer, count in seen.items() if " 2" in answer)
        print(f"{who}: {sum(seen.values())} requests, {ok} carried out:", dict(sorted(seen.items())))
        if ended.returncode != 0:
            broken = True
            print(ended.stdout, ended.stderr)
        print("ok     " if ended.returncode == 0 and ok > 0 else "not ok ", who, "is answered as described, never with a failure")
        broken = broken or ok == 0
    sys.exit(broken)


if __name__ == "__main__":
    main()
else:
    hooks()
