"""Fluxbase's guide, its `saml_providers` block as printed: somebody signs in through pysaml2 over HTTPS, asking as the
guide's SDK asks (GET saml/login/okta, POST saml/acs).

PALISADE_URL and PALISADE_KEY say where; PALISADE_IDP_CERT and PALISADE_IDP_KEY are the provider's key, PALISADE_TLS_CERT and
PALISADE_TLS_KEY those of its HTTPS, PALISADE_CA who signed that, and the file PALISADE_PORT has its port.
"""

import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from claims import claim, finish

URL, KEY = (os.environ[name] for name in ("PALISADE_URL", "PALISADE_KEY"))
FILES = [os.environ[f"PALISADE_{name}"] for name in ("IDP_CERT", "IDP_KEY", "TLS_CERT", "TLS_KEY")]
PORT = Path(os.environ["PALISADE_PORT"]).read_text()
METADATA = f"https://localhost:{PORT}/app/xxx/sso/saml/metadata"
company = subprocess.Popen([
    sys.executable, "-B", str(Path(__file__).with_name("identity_provider.py")), PORT, FILES[0], FILES[1],
    f"{URL}/auth/v1/sso/saml/metadata", FILES[2], FILES[3],
])
http = httpx.Client(verify=ssl.create_default_context(cafile=os.environ["PALISADE_CA"]))
asking = httpx.Client(headers={"apikey": KEY}, base_url=f"{URL}/api/v1/auth")


def within(seconds, what, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    raise AssertionError(f"not within {seconds} s: {what}")


def begin(to="https://app.example.com/welcome") -> httpx.Response:
    return asking.get("/saml/login/okta", params={"redirect_url": to})


def through_the_company(to="https://app.example.com/welcome") -> dict:
    """What a browser would bring back to us."""
    begun = begin(to)
    assert begun.status_code == 200, begun.text
    answer = http.get(begun.json()["url"])
    assert answer.status_code == 200, answer.text
    _, response, relay_state = answer.text.split("\n")
    return {"SAMLResponse": response, "RelayState": relay_state}


def bring(fields: dict) -> httpx.Response:
    return httpx.post(f"{URL}/auth/v1/sso/saml/acs", data=fields, follow_redirects=False)


@claim
def the_provider_of_the_block_is_listed_once_its_metadata_was_read_over_https():
    within(30, "the identity provider to answer", lambda: http.get(METADATA).is_success)
    within(60, "its metadata to be read", lambda: begin().is_success)
    listed = asking.get("/saml/providers").json()["providers"]
    assert [one["name"] for one in listed] == ["okta"], listed


@claim
def a_browser_lands_signed_in_on_a_host_that_the_block_allows():
    for host in ("app.example.com", "dashboard.example.com"):
        landed = bring(through_the_company(f"https://{host}/welcome"))
        assert landed.status_code == 302, landed.text
        assert landed.headers["location"].startswith(f"https://{host}/welcome#"), landed.headers["location"]
        given = {name: values[0] for name, values in parse_qs(urlsplit(landed.headers["location"]).fragment).items()}
        user = asking.get("/user", headers={"authorization": f"Bearer {given['access_token']}"}).json()
        assert user["email"] == "ann@company.example", user


@claim
def and_on_no_other():
    landed = bring(through_the_company("https://evil.example.net/welcome"))
    assert "evil.example.net" not in landed.headers["location"], landed.headers["location"]


@claim
def an_application_that_was_given_the_answer_hands_it_on_as_the_sdk_does():
    brought = through_the_company()
    answer = asking.post("/saml/acs", json={"saml_response": brought["SAMLResponse"], "relay_state": brought["RelayState"], "provider": "okta"})
    assert answer.status_code == 200 and answer.json()["access_token"], answer.text
    again = asking.post("/saml/acs", json={"saml_response": brought["SAMLResponse"], "relay_state": brought["RelayState"], "provider": "okta"})
    assert again.status_code >= 400, again.text


@claim
def nobody_comes_in_who_did_not_ask_here():
    brought = through_the_company()
    unasked = bring({"SAMLResponse": brought["SAMLResponse"], "RelayState": "https://app.example.com/"})
    assert "access_token" not in unasked.headers.get("location", ""), unasked.headers


company.kill()
finish()
