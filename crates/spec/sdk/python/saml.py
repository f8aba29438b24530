"""Somebody signs in through their company with the unmodified `supabase` client for Python and an identity provider of
pysaml2 (identity_provider.py), whose metadata we read at its address.

PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where; PALISADE_IDP_CERT and PALISADE_IDP_KEY are the provider's key.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from supabase import ClientOptions, create_client

from claims import claim, finish

URL, KEY, SECRET = (os.environ[name] for name in ("PALISADE_URL", "PALISADE_KEY", "PALISADE_SECRET"))

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
company = subprocess.Popen([
    sys.executable, "-B", str(Path(__file__).with_name("identity_provider.py")), str(port),
    os.environ["PALISADE_IDP_CERT"], os.environ["PALISADE_IDP_KEY"], f"{URL}/auth/v1/sso/saml/metadata",
])
metadata = f"http://127.0.0.1:{port}/metadata"
client = create_client(URL, KEY, ClientOptions(auto_refresh_token=False, persist_session=False, flow_type="implicit"))
known: dict = {}


def until_it_answers():
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            return httpx.get(metadata).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the identity provider does not answer")


def through_the_company() -> dict:
    """What a browser would bring back to us."""
    asked = client.auth.sign_in_with_sso({"domain": "company.example"})
    answer = httpx.get(asked.url)
    assert answer.status_code == 200, answer.text
    to, response, relay_state = answer.text.split("\n")
    assert to == f"{URL}/auth/v1/sso/saml/acs"
    return {"SAMLResponse": response, "RelayState": relay_state}


def bring(fields: dict) -> httpx.Response:
    return httpx.post(f"{URL}/auth/v1/sso/saml/acs", data=fields, follow_redirects=False)


@claim
def an_administrator_adds_the_company_by_the_address_of_its_metadata():
    until_it_answers()
    # Our own key is made when it is first asked for, which takes a busy machine a while.
    assert httpx.get(f"{URL}/auth/v1/sso/saml/metadata", timeout=60).is_success
    made = httpx.post(f"{URL}/auth/v1/admin/sso/providers", headers={"apikey": SECRET, "authorization": f"Bearer {SECRET}"},
                      json={"type": "saml", "metadata_url": metadata, "domains": ["company.example"]})
    assert made.status_code == 201, made.text
    known["provider"] = made.json()["id"]


@claim
def its_signed_answer_to_our_signed_request_is_a_session():
    landed = bring(through_the_company())
    assert landed.status_code == 302, landed.text
    given = {name: values[0] for name, values in parse_qs(urlsplit(landed.headers["location"]).fragment).items()}
    client.auth.set_session(given["access_token"], given["refresh_token"])
    user = client.auth.get_user().user
    assert user.email == "ann@company.example"
    assert user.app_metadata["provider"] == f"sso:{known['provider']}"
    assert user.user_metadata["full_name"] == "Ann Example", user.user_metadata
    assert client.auth.refresh_session().session.access_token


@claim
def its_answer_signs_in_once():
    brought = through_the_company()
    assert bring(brought).status_code == 302
    again = bring(brought)
    assert again.status_code == 303
    assert "access_token" not in again.headers["location"]


company.kill()
finish()
