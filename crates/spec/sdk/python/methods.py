"""Every method of the unmodified `supabase_auth`, and that none is left out.

PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where; IDP is the issuer of the provider that is known as keycloak. Texts are
read in the catcher of `palisade dev`.
"""

import base64
import hashlib
import hmac
import inspect
import os
import re
import struct
import time
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError, AuthError
from supabase_auth.types import CreateOAuthClientParams, PageParams, UpdateOAuthClientParams

from claims import claim, finish

URL, KEY, SECRET, IDP = (os.environ[name] for name in ("PALISADE_URL", "PALISADE_KEY", "PALISADE_SECRET", "IDP"))
RUN = f"m{time.time_ns():x}"
PASSWORD = "Correct-Horse-9!Battery"
BACK = "http://localhost:3000/welcome"
PHONES = iter(range(491700000000 + time.time_ns() // 1_000_000 % 100_000_000, 499999999999))
seen: dict = {}


def open_client(key: str = KEY, flow_type: str = "pkce", persist_session: bool = False) -> Client:
    return create_client(
        URL, key, ClientOptions(auto_refresh_token=False, persist_session=persist_session, flow_type=flow_type)
    )


def address(name: str) -> str:
    return f"{name}-{RUN}@example.com"


def person(name: str) -> Client:
    client = open_client()
    client.auth.sign_up({"email": address(name), "password": PASSWORD})
    return client


def refused(attempt, code: str):
    try:
        attempt()
    except AuthApiError as error:
        assert error.code == code, f"{error.code}, not {code}: {error}"
        return
    raise AssertionError(f"not refused with {code}")


def code(secret: str) -> str:
    """The code of an authenticator app now (RFC 6238)."""
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = mac[19] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def caught(to: str, pattern: str) -> str:
    """What the newest message to somebody says, in the catcher."""
    for _ in range(100):
        mine = [line for line in httpx.get(f"{URL}/_/outbox").text.split("<li>") if f" to {to}," in line]
        if mine:
            page = httpx.get(URL + re.search('href="([^"]+)"', mine[0])[1]).text
            return re.search(pattern, page)[1]
        time.sleep(0.1)
    raise AssertionError(f"no message to {to}")


def follow(at: str, until: str) -> str:
    """A browser: goes where it is sent, until an address that begins with `until`."""
    with httpx.Client() as browser:
        for _ in range(20):
            if at.startswith(until):
                return at
            answer = browser.get(at)
            assert "location" in answer.headers, f"{answer.status_code} at {at}: {answer.text}"
            at = urljoin(at, answer.headers["location"])
    raise AssertionError(f"still going round at {at}")


def returned(at: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(at).query).items()}


def at_provider(name: str) -> dict:
    who = f"{name}-{RUN}~{address(name)}~true~{name}"
    return {"provider": "keycloak", "options": {"redirect_to": BACK, "query_params": {"login_hint": who}}}


admin = open_client(SECRET).auth.admin


@claim
def no_method_of_the_client_is_without_a_program_that_calls_it():
    text = "\n".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    auth = open_client().auth
    names = []
    for part in (auth, auth.mfa, auth.admin, auth.admin.mfa, auth.admin.oauth):
        names += [name for name, _ in inspect.getmembers(type(part), inspect.isfunction) if not name.startswith("_")]
    missing = [name for name in names if not re.search(rf"\.{name}\(", text)]
    assert len(names) > 50 and not missing, f"{len(names)} methods, without {missing}"


@claim
def the_application_hears_of_what_happens_until_it_listens_no_more():
    ann, heard = open_client(), []
    listening = ann.auth.on_auth_state_change(lambda event, session: heard.append((event, session is not None)))
    ann.auth.sign_up({"email": address("ann"), "password": PASSWORD})
    ann.auth.refresh_session()
    ann.auth.update_user({"data": {"colour": "blue"}})
    listening.unsubscribe()
    ann.auth.sign_out()
    assert heard == [("SIGNED_IN", True), ("TOKEN_REFRESHED", True), ("USER_UPDATED", True)], heard


@claim
def the_claims_of_a_token_are_proven_with_the_published_keys():
    ann = open_client()
    session = ann.auth.sign_in_with_password({"email": address("ann"), "password": PASSWORD}).session
    proven = ann.auth.get_claims()
    assert proven["claims"]["sub"] == session.user.id and proven["headers"]["alg"] != "HS256", proven
    head, body, signature = session.access_token.split(".")
    forged = ".".join((head, body, signature[:-8] + ("A" * 8 if signature[-8:] != "A" * 8 else "B" * 8)))
    try:
        ann.auth.get_claims(forged)
    except AuthError:
        pass
    else:
        raise AssertionError("a forged token was proven")


@claim
def a_session_is_found_again_in_the_storage_of_the_application():
    ann = open_client(persist_session=True)
    ann.auth.sign_in_with_password({"email": address("ann"), "password": PASSWORD})
    heard = []
    ann.auth.on_auth_state_change(lambda event, session: heard.append(event))
    ann.auth.initialize_from_storage()
    ann.auth.initialize()
    assert heard == ["SIGNED_IN", "SIGNED_IN"] and ann.auth.get_session().user.email == address("ann")
    other = open_client()
    kept = ann.auth.get_session()
    assert other.auth.set_session(kept.access_token, kept.refresh_token).session.user.email == address("ann")


@claim
def a_provider_signs_in_by_a_code_and_by_an_address():
    bea = open_client()
    to = bea.auth.sign_in_with_oauth(at_provider("bea"))
    shown = returned(follow(to.url, BACK))["code"]
    entered = bea.auth.exchange_code_for_session({"auth_code": shown})
    assert entered.user.email == address("bea") and entered.session.provider_token
    implicit = open_client(flow_type="implicit")
    at = follow(implicit.auth.sign_in_with_oauth(at_provider("bea")).url, BACK)
    implicit.auth.initialize(url=at)
    assert implicit.auth.get_session().user.id == entered.user.id
    again = open_client(flow_type="implicit")
    again.auth.initialize_from_url(at)
    assert again.auth.get_user().user.id == entered.user.id


@claim
def a_code_is_worth_nothing_to_an_application_with_another_verifier():
    bea, thief = open_client(), open_client()
    shown = returned(follow(bea.auth.sign_in_with_oauth(at_provider("bea")).url, BACK))["code"]
    thief.auth.sign_in_with_oauth(at_provider("bea"))
    refused(lambda: thief.auth.exchange_code_for_session({"auth_code": shown}), "bad_code_verifier")


@claim
def an_identity_is_linked_listed_and_taken_away():
    cleo = person("cleo")
    to = cleo.auth.link_identity(at_provider("other"))
    cleo.auth.exchange_code_for_session({"auth_code": returned(follow(to.url, BACK))["code"]})
    identities = cleo.auth.get_user_identities().identities
    assert sorted(one.provider for one in identities) == ["email", "keycloak"], identities
    cleo.auth.unlink_identity(next(one for one in identities if one.provider == "keycloak"))
    (last,) = cleo.auth.get_user_identities().identities
    refused(lambda: cleo.auth.unlink_identity(last), "single_identity_not_deletable")


@claim
def an_id_token_signs_in_with_its_nonce_and_not_without():
    native, verifier, nonce = "http://127.0.0.1/callback", "v" * 43, RUN * 2
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = httpx.URL(f"{IDP}/auth", params={
        "client_id": "palisade", "response_type": "code", "scope": "openid email profile", "redirect_uri": native, "state": "s",
        "nonce": hashlib.sha256(nonce.encode()).hexdigest(), "login_hint": f"dora-{RUN}~{address('dora')}~true~dora",
        "code_challenge": challenge, "code_challenge_method": "S256",
    })
    tokens = httpx.post(f"{IDP}/token", data={
        "grant_type": "authorization_code", "code": returned(follow(str(asked), native))["code"], "redirect_uri": native,
        "client_id": "palisade", "client_secret": "a-secret-that-only-both-know", "code_verifier": verifier,
    }).json()
    given = {"provider": "keycloak", "token": tokens["id_token"], "access_token": tokens["access_token"]}
    for wrong in (given, {**given, "nonce": "another"}):
        try:
            open_client().auth.sign_in_with_id_token(wrong)
        except AuthApiError:
            continue
        raise AssertionError("taken without its nonce")
    entered = open_client().auth.sign_in_with_id_token({**given, "nonce": nonce})
    assert entered.user.email == address("dora") and entered.session.access_token


@claim
def a_company_that_nobody_named_is_refused_by_name():
    for unknown in ({"domain": "nobody.example"}, {"provider_id": "00000000-0000-4000-8000-000000000000"}):
        refused(lambda: open_client().auth.sign_in_with_sso(unknown), "sso_provider_not_found")


@claim
def each_kind_of_message_is_sent_again_or_nothing_is_said_of_whether_it_was():
    client = open_client()
    for kind in ("signup", "email_change"):
        client.auth.resend({"type": kind, "email": address("nobody")})
    for kind in ("sms", "phone_change"):
        client.auth.resend({"type": kind, "phone": str(next(PHONES))})
    client.auth.reset_password_email(address("nobody"), {"redirect_to": BACK})
    client.auth.reset_password_for_email(address("nobody"))


@claim
def a_link_in_a_mail_comes_back_with_a_code_for_whoever_asked():
    eve = person("eve")
    for ask in (
        lambda: eve.auth.reset_password_for_email(address("eve"), {"redirect_to": BACK}),
        lambda: eve.auth.sign_in_with_otp({"email": address("eve"), "options": {"email_redirect_to": BACK}}),
    ):
        ask()
        link = caught(address("eve"), r'(http[^"\s<]+/verify[^"\s<]+)').replace("&amp;", "&")
        assert httpx.get(link).status_code == 200, "a look spends nothing"
        asked = httpx.post(link.split("?")[0], data=returned(link), headers={"sec-fetch-site": "same-origin"})
        shown = returned(asked.headers["location"])["code"]
        assert eve.auth.exchange_code_for_session({"auth_code": shown}).user.email == address("eve")


@claim
def presence_is_proven_by_a_code_in_a_mail():
    fay = person("fay")
    assert fay.auth.reauthenticate().session is None
    nonce = caught(address("fay"), r"\b(\d{6})\b")
    assert fay.auth.update_user({"password": "Another-Horse-9!Battery", "nonce": nonce}).user.email == address("fay")


@claim
def an_anonymous_person_has_data_and_a_session_of_their_own():
    made = open_client().auth.sign_in_anonymously({"options": {"data": {"colour": "blue"}}})
    assert made.user.is_anonymous and made.user.user_metadata == {"colour": "blue"}
    (found,) = [one for one in admin.list_users(per_page=1000) if one.id == made.user.id]
    assert found.is_anonymous


@claim
def a_factor_needs_no_name_and_an_administrator_sees_and_takes_it():
    gus = person("gus")
    totp = gus.auth.mfa.enroll({"factor_type": "totp", "issuer": "Acme"})
    assert "issuer=Acme" in totp.totp.uri and totp.friendly_name == "", totp
    asked = gus.auth.mfa.challenge({"factor_id": totp.id})
    assert asked.factor_type == "totp"
    gus.auth.mfa.verify({"factor_id": totp.id, "challenge_id": asked.id, "code": code(totp.totp.secret)})
    methods = gus.auth.mfa.get_authenticator_assurance_level().current_authentication_methods
    assert {one.method for one in methods} == {"password", "totp"}, methods
    number = next(PHONES)
    phone = gus.auth.mfa.enroll({"factor_type": "phone", "phone": f"+{number}", "friendly_name": "mobile"})
    asked = gus.auth.mfa.challenge({"factor_id": phone.id, "channel": "sms"})
    assert asked.factor_type == "phone"
    text = caught(f"+{number}", r"Your code is (\d{6})")
    gus.auth.mfa.verify({"factor_id": phone.id, "challenge_id": asked.id, "code": text})
    mine = gus.auth.mfa.list_factors()
    assert ([one.id for one in mine.totp], [one.id for one in mine.phone]) == ([totp.id], [phone.id])
    third = gus.auth.mfa.enroll({"factor_type": "totp", "friendly_name": "third"})
    assert gus.auth.mfa.unenroll({"factor_id": third.id}).id == third.id
    me = gus.auth.get_user().user.id
    assert sorted(one.id for one in admin.mfa.list_factors({"user_id": me})) == sorted([totp.id, phone.id])
    assert admin.mfa.delete_factor({"user_id": me, "id": phone.id}).id == phone.id
    assert [one.id for one in admin.mfa.list_factors({"user_id": me})] == [totp.id]


@claim
def an_administrator_makes_finds_lists_changes_and_removes_a_client_of_ours():
    made = admin.oauth.create_client(CreateOAuthClientParams(client_name="The program", redirect_uris=[BACK])).client
    assert made.client_secret and (made.client_type, made.registration_type) == ("confidential", "manual")
    assert made.grant_types == ["authorization_code", "refresh_token"] and made.response_types == ["code"], made
    listed = admin.oauth.list_clients(PageParams(page=1, per_page=1))
    assert len(listed.clients) == 1 and listed.total >= 1 and listed.last_page == listed.total, listed
    assert any(one.client_id == made.client_id for one in admin.oauth.list_clients().clients)
    changed = admin.oauth.update_client(made.client_id, UpdateOAuthClientParams(client_name="Renamed")).client
    assert (changed.client_name, changed.redirect_uris) == ("Renamed", [BACK]), changed
    found = admin.oauth.get_client(made.client_id).client
    assert found.client_name == "Renamed" and found.client_secret is None
    assert admin.oauth.regenerate_client_secret(made.client_id).client.client_secret != made.client_secret
    admin.oauth.delete_client(made.client_id)
    refused(lambda: admin.oauth.get_client(made.client_id), "oauth_client_not_found")


@claim
def every_kind_of_link_is_made_for_an_administrator():
    for kind in ("signup", "magiclink", "recovery", "invite"):
        to = address("guest" if kind == "invite" else "ida")
        link = admin.generate_link({"type": kind, "email": to, "password": PASSWORD, "options": {"redirect_to": BACK}})
        assert link.properties.redirect_to == BACK and link.user.email == to, link
        shown = {"token_hash": link.properties.hashed_token, "type": link.properties.verification_type}
        assert open_client().auth.verify_otp(shown).user.email == to
        refused(lambda: open_client().auth.verify_otp(shown), "otp_expired")
    present, wanted = address("ida"), address("ida-now")
    for kind in ("email_change_current", "email_change_new"):
        link = admin.generate_link({"type": kind, "email": present, "new_email": wanted}).properties
        done = open_client().auth.verify_otp({"token_hash": link.hashed_token, "type": "email_change"})
    assert done.user.email == wanted, done


@claim
def an_administrator_bans_imports_and_softly_removes():
    bcrypt = "$2a$10$y9FRS1dq8ODNJFwNFu9JbOGSNHPI9jDZlBfbm2S.DYlfdGaJoTAGG"
    made = admin.create_user({"email": address("kim"), "password_hash": bcrypt, "email_confirm": True}).user
    assert admin.update_user_by_id(made.id, {"ban_duration": "24h"}).user.banned_until
    refused(lambda: admin.update_user_by_id(made.id, {"ban_duration": "soon"}), "validation_failed")
    admin.update_user_by_id(made.id, {"ban_duration": "none", "password": PASSWORD})
    assert open_client().auth.sign_in_with_password({"email": address("kim"), "password": PASSWORD}).user.id == made.id
    admin.delete_user(made.id, should_soft_delete=True)
    refused(lambda: open_client().auth.sign_in_with_password({"email": address("kim"), "password": PASSWORD}), "invalid_credentials")
    invited = admin.invite_user_by_email(address("lea"), {"data": {"team": "a"}, "redirect_to": BACK}).user
    assert invited.invited_at and invited.user_metadata["team"] == "a"
    refused(lambda: admin.invite_user_by_email(address("ann")), "email_exists")


@claim
def an_administrator_ends_sessions_by_their_token():
    nia = person("nia")
    token = nia.auth.get_session().access_token
    admin.sign_out(token)
    refused(lambda: open_client().auth.get_user(token), "session_not_found")


@claim
def a_client_is_closed():
    client = open_client()
    client.auth.close()


finish()
