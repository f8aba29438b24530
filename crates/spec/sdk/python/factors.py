"""Second factors through the unmodified `supabase` client for Python.

PALISADE_URL and PALISADE_KEY say where. The authenticator app is this program's own (RFC 6238).
"""

import base64
import hashlib
import hmac
import os
import struct
import time

from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError

from claims import claim, finish

URL, KEY = os.environ["PALISADE_URL"], os.environ["PALISADE_KEY"]
EMAIL = f"factors-{time.time_ns():x}@example.com"
PASSWORD = "Correct-Horse-9!Battery"
seen = {}


def open_client() -> Client:
    return create_client(URL, KEY, ClientOptions(auto_refresh_token=False, persist_session=False))


def code(secret: str, steps: int = 0) -> str:
    step = int(time.time()) // 30 + steps
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = mac[19] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


ann = open_client()
ann.auth.sign_up({"email": EMAIL, "password": PASSWORD})


@claim
def an_authenticator_app_is_enrolled():
    enrolled = ann.auth.mfa.enroll({"factor_type": "totp", "friendly_name": "phone"})
    assert enrolled.totp.qr_code.startswith("data:image/svg+xml"), enrolled.totp.qr_code[:40]
    seen["id"], seen["secret"] = enrolled.id, enrolled.totp.secret


@claim
def a_wrong_code_is_refused():
    try:
        ann.auth.mfa.challenge_and_verify({"factor_id": seen["id"], "code": "000000"})
    except AuthApiError as error:
        assert error.code == "mfa_verification_failed", error.code
    else:
        raise AssertionError("a wrong code was taken")


@claim
def a_right_code_raises_the_session():
    ann.auth.mfa.challenge_and_verify({"factor_id": seen["id"], "code": code(seen["secret"])})
    level = ann.auth.mfa.get_authenticator_assurance_level()
    assert level.current_level == "aal2", level
    assert len(ann.auth.mfa.list_factors().totp) == 1


@claim
def a_password_alone_is_the_first_level():
    again = open_client()
    again.auth.sign_in_with_password({"email": EMAIL, "password": PASSWORD})
    level = again.auth.mfa.get_authenticator_assurance_level()
    assert (level.current_level, level.next_level) == ("aal1", "aal2"), level
    again.auth.mfa.challenge_and_verify({"factor_id": seen["id"], "code": code(seen["secret"], 1)})
    assert again.auth.mfa.get_authenticator_assurance_level().current_level == "aal2"
    assert again.auth.mfa.unenroll({"factor_id": seen["id"]}).id == seen["id"]


finish()
