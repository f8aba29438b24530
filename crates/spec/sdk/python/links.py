"""Links and codes through the unmodified `supabase` client for Python, with mails from a real mail server.

PALISADE_URL, PALISADE_KEY, PALISADE_SECRET and PALISADE_MAILS say where.
"""

import email
import email.policy
import os
import re
import time
from pathlib import Path

from supabase import ClientOptions, create_client
from supabase_auth.errors import AuthApiError

from claims import claim, finish

URL, KEY, SECRET = (os.environ[name] for name in ("PALISADE_URL", "PALISADE_KEY", "PALISADE_SECRET"))
MAILS = Path(os.environ["PALISADE_MAILS"])
RUN = f"p{time.time_ns():x}"
PASSWORD = "Correct-Horse-9!Battery"


def open_client(key=KEY):
    return create_client(URL, key, ClientOptions(auto_refresh_token=False, persist_session=False))


def mail(to, count):
    """The newest of `count` mails to an address, as text."""
    for _ in range(400):
        mails = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in sorted(MAILS.glob("*.eml"))]
        mine = [one for one in mails if one["To"] == to]
        if len(mine) >= count:
            return mine[-1].get_body(("plain",)).get_content()
        time.sleep(0.025)
    raise AssertionError(f"not {count} mails to {to}")


def code(text):
    return re.search(r"^\s*(\d{6})\s*$", text, re.M).group(1)


ann = f"ann-{RUN}@example.com"
client = open_client()


@claim
def a_new_account_waits_for_its_confirmation():
    made = client.auth.sign_up({"email": ann, "password": PASSWORD})
    assert made.session is None and made.user.email == ann
    try:
        open_client().auth.sign_in_with_password({"email": ann, "password": PASSWORD})
        raise AssertionError("signed in before it was confirmed")
    except AuthApiError as refused:
        assert refused.code == "email_not_confirmed", refused.code


@claim
def the_confirmation_is_sent_again_and_its_code_signs_in():
    mail(ann, 1)
    client.auth.resend({"type": "signup", "email": ann})
    done = client.auth.verify_otp({"type": "signup", "email": ann, "token": code(mail(ann, 2))})
    assert done.session.access_token and done.user.email_confirmed_at


@claim
def a_code_signs_in():
    other = open_client()
    other.auth.sign_in_with_otp({"email": ann})
    done = other.auth.verify_otp({"type": "email", "email": ann, "token": code(mail(ann, 3))})
    assert done.user.email == ann


@claim
def a_wrong_code_is_refused_by_name():
    try:
        open_client().auth.verify_otp({"type": "email", "email": ann, "token": "000000"})
        raise AssertionError("taken")
    except AuthApiError as refused:
        assert refused.code == "otp_expired", refused.code


@claim
def a_forgotten_password_is_replaced():
    other = open_client()
    other.auth.reset_password_for_email(ann)
    other.auth.verify_otp({"type": "recovery", "email": ann, "token": code(mail(ann, 4))})
    other.auth.update_user({"password": "Another-Horse-9!Battery"})
    client.auth.sign_in_with_password({"email": ann, "password": "Another-Horse-9!Battery"})


@claim
def a_proof_of_presence_changes_the_password():
    mail(ann, 5)
    client.auth.reauthenticate()
    client.auth.update_user({"password": "Third-Horse-9!Battery", "nonce": code(mail(ann, 6))})


@claim
def another_address_is_agreed_to_at_both():
    mail(ann, 7)
    new = f"new-{RUN}@example.com"
    changed = client.auth.update_user({"email": new})
    assert changed.user.new_email == new
    old_code, new_code = code(mail(ann, 8)), code(mail(new, 1))
    open_client().auth.verify_otp({"type": "email_change", "email": new, "token": new_code})
    done = open_client().auth.verify_otp({"type": "email_change", "email": ann, "token": old_code})
    assert done.user.email == new


@claim
def administrators_invite_and_make_links():
    service = open_client(SECRET)
    guest = f"guest-{RUN}@example.com"
    assert service.auth.admin.invite_user_by_email(guest).user.invited_at
    done = open_client().auth.verify_otp({"type": "invite", "email": guest, "token": code(mail(guest, 1))})
    assert done.user.email == guest
    made = service.auth.admin.generate_link({"type": "magiclink", "email": guest})
    hashed = made.properties.hashed_token
    done = open_client().auth.verify_otp({"type": "magiclink", "token_hash": hashed})
    assert done.user.email == guest


finish()
