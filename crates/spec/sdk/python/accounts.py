"""Accounts through the unmodified `supabase` client for Python: administration, sessions that end, people's own changes,
anonymous accounts, and refusals in both versions of the API.

PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where.
"""

import os
import time

import httpx
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError, AuthError, AuthWeakPasswordError

from claims import claim, finish

URL, KEY, SECRET = (os.environ[name] for name in ("PALISADE_URL", "PALISADE_KEY", "PALISADE_SECRET"))
RUN = f"{time.time_ns():x}"
PASSWORD, NEXT = "Correct-Horse-9!Battery", "Better-Horse-8!Battery"
EVE = f"eve-{RUN}@example.com"
seen = {}


def open_client(key: str = KEY) -> Client:
    return create_client(URL, key, ClientOptions(auto_refresh_token=False, persist_session=False))


def refused(attempt, code: str) -> AuthApiError:
    try:
        attempt()
    except AuthError as error:
        assert error.code == code, f"{error.code}, not {code}: {error}"
        return error
    raise AssertionError(f"not refused with {code}")


def signed_in(password: str = PASSWORD) -> Client:
    client = open_client()
    client.auth.sign_in_with_password({"email": EVE, "password": password})
    return client


def lives(token: str) -> bool:
    try:
        return open_client().auth.get_user(token) is not None
    except AuthError:
        return False


admin = open_client(SECRET).auth.admin


@claim
def an_administrator_makes_finds_changes_and_lists_an_account():
    made = admin.create_user({"email": EVE, "password": PASSWORD, "email_confirm": True, "user_metadata": {"name": "Eve"}})
    seen["eve"] = made.user.id
    assert admin.get_user_by_id(made.user.id).user.email == EVE
    changed = admin.update_user_by_id(made.user.id, {"app_metadata": {"plan": "pro"}}).user
    assert changed.app_metadata["plan"] == "pro"
    assert any(user.id == made.user.id for user in admin.list_users(page=1, per_page=1000))


@claim
def an_administrator_obeys_the_policy_too():
    try:
        admin.create_user({"email": f"weak-{RUN}@example.com", "password": "short"})
    except AuthWeakPasswordError as error:
        assert error.reasons == ["length", "characters"], error.reasons
        return
    raise AssertionError("a weak password was taken")


@claim
def the_admin_api_is_for_administrators():
    refused(lambda: signed_in().auth.admin.list_users(), "not_admin")


@claim
def signing_out_ends_this_session_the_others_or_all():
    one, two, three = signed_in(), signed_in(), signed_in()
    tokens = [client.auth.get_session().access_token for client in (one, two, three)]
    three.auth.sign_out({"scope": "local"})
    assert [lives(token) for token in tokens] == [True, True, False]
    one.auth.sign_out({"scope": "others"})
    assert [lives(token) for token in tokens] == [True, False, False]
    two = signed_in()
    tokens.append(two.auth.get_session().access_token)
    two.auth.sign_out({"scope": "global"})
    assert not any(lives(token) for token in tokens)


@claim
def a_session_is_refreshed_and_set_from_its_tokens():
    client = signed_in()
    before = client.auth.get_session()
    after = client.auth.refresh_session().session
    assert after.refresh_token != before.refresh_token and after.user.id == seen["eve"]
    other = open_client()
    assert other.auth.set_session(after.access_token, after.refresh_token).user.email == EVE
    refused(lambda: open_client().auth.refresh_session("nonsense"), "validation_failed")


@claim
def somebody_changes_their_own_data_and_password():
    client = signed_in()
    assert client.auth.update_user({"data": {"colour": "blue"}}).user.user_metadata["colour"] == "blue"
    refused(lambda: client.auth.update_user({"password": PASSWORD}), "same_password")
    client.auth.update_user({"password": NEXT})
    refused(lambda: signed_in(), "invalid_credentials")
    signed_in(NEXT)


@claim
def unknown_people_and_wrong_passwords_are_refused_alike():
    wrong = refused(lambda: signed_in("Wrong-Horse-1!Battery"), "invalid_credentials")
    nobody = {"email": f"nobody-{RUN}@example.com", "password": PASSWORD}
    unknown = refused(lambda: open_client().auth.sign_in_with_password(nobody), "invalid_credentials")
    assert (wrong.message, wrong.status) == (unknown.message, unknown.status)


@claim
def somebody_without_a_name_is_an_account_and_becomes_an_ordinary_one():
    client = open_client()
    made = client.auth.sign_in_anonymously()
    assert made.user.is_anonymous and made.session.access_token
    named = client.auth.update_user({"email": f"named-{RUN}@example.com"}).user
    assert named.id == made.user.id and not named.is_anonymous, named


@claim
def an_account_is_removed_by_an_administrator():
    client = signed_in(NEXT)
    token = client.auth.get_session().access_token
    admin.delete_user(seen["eve"])
    assert not lives(token)
    refused(lambda: admin.get_user_by_id(seen["eve"]), "user_not_found")


@claim
def a_generated_link_carries_its_code_and_token():
    link = admin.generate_link({"type": "magiclink", "email": f"named-{RUN}@example.com"})
    assert link.properties.verification_type == "magiclink" and len(link.properties.email_otp) == 6
    client = open_client()
    session = client.auth.verify_otp({"type": "email", "token_hash": link.properties.hashed_token}).session
    assert session.user.email == f"named-{RUN}@example.com"


@claim
def refusals_have_the_shape_of_the_version_that_was_asked_for():
    body = {"email": f"nobody-{RUN}@example.com", "password": PASSWORD}
    asked = lambda headers: httpx.post(f"{URL}/auth/v1/token?grant_type=password", json=body, headers={"apikey": KEY, **headers})
    old, new = asked({}), asked({"X-Supabase-Api-Version": "2024-01-01"})
    assert old.status_code == new.status_code == 400
    assert old.json() == {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}, old.text
    assert new.json() == {"code": "invalid_credentials", "message": "Invalid login credentials"}, new.text


finish()
