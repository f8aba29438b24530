"""A telephone through the unmodified `supabase` client for Python: to sign up and in with, and to change to.

PALISADE_URL and PALISADE_KEY say where. Texts are read in the catcher of `palisade dev`, as a developer reads them.
"""

import os
import re
import time

import httpx
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError

from claims import claim, finish

URL, KEY = os.environ["PALISADE_URL"], os.environ["PALISADE_KEY"]
BASE = 491600000000 + time.time_ns() // 1_000_000 % 100_000_000
PASSWORD = "Correct-Horse-9!Battery"


def open_client() -> Client:
    return create_client(URL, KEY, ClientOptions(auto_refresh_token=False, persist_session=False))


def text(phone: str) -> str:
    """The code in the newest text to a number."""
    for _ in range(100):
        mine = [line for line in httpx.get(f"{URL}/_/outbox").text.split("<li>") if f" to +{phone}," in line]
        if mine:
            page = httpx.get(URL + re.search('href="([^"]+)"', mine[0])[1]).text
            return re.search(r"Your code is (\d{6})", page)[1]
        time.sleep(0.1)
    raise AssertionError(f"no text to {phone}")


def refused(code: str, attempt):
    try:
        attempt()
    except AuthApiError as error:
        assert error.code == code, error.code
    else:
        raise AssertionError(f"not refused with {code}")


@claim
def a_text_signs_somebody_up_and_a_wrong_code_does_not():
    ann, phone = open_client(), str(BASE + 1)
    assert ann.auth.sign_in_with_otp({"phone": phone}).session is None
    token = text(phone)
    wrong = "000001" if token == "000000" else "000000"
    refused("otp_expired", lambda: ann.auth.verify_otp({"phone": phone, "token": wrong, "type": "sms"}))
    entered = ann.auth.verify_otp({"phone": phone, "token": token, "type": "sms"})
    assert entered.user.phone == phone and entered.session.access_token
    refused("otp_expired", lambda: open_client().auth.verify_otp({"phone": phone, "token": token, "type": "sms"}))


@claim
def a_number_and_a_password_sign_up_and_in():
    bea, phone = open_client(), str(BASE + 2)
    bea.auth.sign_up({"phone": phone, "password": PASSWORD})
    entered = bea.auth.verify_otp({"phone": phone, "token": text(phone), "type": "sms"})
    again = open_client().auth.sign_in_with_password({"phone": phone, "password": PASSWORD})
    assert again.user.id == entered.user.id


@claim
def another_number_is_taken_once_its_own_text_was_shown():
    dora, first, second = open_client(), str(BASE + 3), str(BASE + 4)
    dora.auth.sign_in_with_otp({"phone": first})
    dora.auth.verify_otp({"phone": first, "token": text(first), "type": "sms"})
    assert dora.auth.update_user({"phone": second}).user.phone == first
    moved = dora.auth.verify_otp({"phone": second, "token": text(second), "type": "phone_change"})
    assert moved.user.phone == second


finish()
