"""Two people use the demo application through the unmodified `supabase` client for Python.

PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where. Nothing is sent by hand: every request is the client's own.
"""

import os
import time

from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError, AuthError, AuthWeakPasswordError

from claims import claim, finish

URL, KEY, SECRET = (os.environ[name] for name in ("PALISADE_URL", "PALISADE_KEY", "PALISADE_SECRET"))
RUN = f"{time.time_ns():x}"
PASSWORD = "Correct-Horse-9!Battery"


def open_client(key: str = KEY, **headers: str) -> Client:
    return create_client(URL, key, ClientOptions(auto_refresh_token=False, persist_session=False, headers=headers))


def refused(attempt, code: str):
    try:
        attempt()
    except APIError as error:
        assert error.code == code, f"{error.code}, not {code}: {error.message}"
        return
    raise AssertionError(f"not refused with {code}")


ann, bea = open_client(), open_client()
known: dict = {}


@claim
def two_people_sign_up_and_are_signed_in():
    for client, name in ((ann, "ann"), (bea, "bea")):
        answer = client.auth.sign_up({"email": f"py-{name}-{RUN}@example.com", "password": PASSWORD})
        assert answer.session and answer.session.access_token
        assert answer.user.email == f"py-{name}-{RUN}@example.com"


@claim
def a_wrong_password_is_refused():
    try:
        open_client().auth.sign_in_with_password({"email": f"py-ann-{RUN}@example.com", "password": "Wrong-Horse-9!Batt"})
    except AuthApiError as error:
        assert error.code == "invalid_credentials", error.code
        return
    raise AssertionError("signed in")


@claim
def a_weak_password_is_refused():
    try:
        open_client().auth.sign_up({"email": f"py-weak-{RUN}@example.com", "password": "short"})
    except (AuthWeakPasswordError, AuthApiError) as error:
        assert error.code == "weak_password", error.code
        return
    raise AssertionError("signed up")


@claim
def the_password_signs_in_and_get_user_tells_who():
    ann.auth.sign_in_with_password({"email": f"py-ann-{RUN}@example.com", "password": PASSWORD})
    assert ann.auth.get_user().user.email == f"py-ann-{RUN}@example.com"


@claim
def a_function_is_called():
    for client, name in ((ann, "ann"), (bea, "bea")):
        known[name] = client.rpc("create_team", {"name": f"Team {name}", "slug": f"py-{name}-{RUN}"}).execute().data
    assert known["ann"]["slug"] == f"py-ann-{RUN}"


@claim
def rows_are_inserted_and_returned():
    team = known["ann"]["id"]
    known["project"] = ann.table("projects").insert({"team_id": team, "name": "Garden"}).execute().data[0]
    rows = [
        {"project_id": known["project"]["id"], "title": f"Bed {n}", "status": "open" if n % 2 else "done", "priority": 1 + n % 5}
        for n in range(10)
    ]
    known["tasks"] = ann.table("tasks").insert(rows).execute().data
    assert len(known["tasks"]) == 10


@claim
def rows_are_filtered_ordered_paged_and_counted():
    mine = lambda *columns, **how: ann.table("tasks").select(*columns, **how).eq("project_id", known["project"]["id"])
    assert len(mine("id").eq("status", "open").execute().data) == 5
    assert len(mine("id").in_("priority", [1, 2]).execute().data) == 4
    assert len(mine("id").or_("priority.eq.1,priority.eq.5").execute().data) == 4
    assert [row["title"] for row in mine("title").like("title", "Bed 3%").execute().data] == ["Bed 3"]
    page = mine("id", count="exact").order("id", desc=True).range(2, 4).execute()
    assert page.count == 10 and len(page.data) == 3
    assert mine("*", count="exact", head=True).execute().count == 10


@claim
def foreign_keys_embed_both_ways():
    row = ann.table("tasks").select("title,projects(name,teams(slug))").eq("id", known["tasks"][0]["id"]).single().execute().data
    assert row == {"title": "Bed 0", "projects": {"name": "Garden", "teams": {"slug": f"py-ann-{RUN}"}}}, row
    row = ann.table("projects").select("name,tasks(id)").eq("id", known["project"]["id"]).single().execute().data
    assert len(row["tasks"]) == 10


@claim
def rows_are_changed_upserted_and_removed():
    first = known["tasks"][0]["id"]
    assert ann.table("tasks").update({"status": "blocked"}).eq("id", first).execute().data[0]["status"] == "blocked"
    tag = {"team_id": known["ann"]["id"], "name": "soil", "color": "#112233"}
    made = ann.table("tags").upsert(tag, on_conflict="team_id,name").execute().data[0]
    again = ann.table("tags").upsert({**tag, "color": "#445566"}, on_conflict="team_id,name").execute().data[0]
    assert again["id"] == made["id"] and again["color"] == "#445566"
    assert len(ann.table("tasks").delete().eq("id", known["tasks"][9]["id"]).execute().data) == 1


@claim
def single_and_maybe_single():
    refused(lambda: ann.table("tasks").select("*").eq("id", -1).single().execute(), "PGRST116")
    assert ann.table("tasks").select("*").eq("id", -1).maybe_single().execute() is None


@claim
def csv_comes_as_text():
    text = ann.table("tasks").select("id,title").eq("id", known["tasks"][1]["id"]).csv().execute().data
    assert text.splitlines() == ["id,title", f"{known['tasks'][1]['id']},\"Bed 1\""], text


@claim
def mistakes_are_named():
    refused(lambda: ann.table("no_such_table").select("*").execute(), "PGRST205")
    refused(lambda: ann.table("tasks").select("no_such_column").execute(), "42703")
    refused(lambda: ann.table("projects").insert({"team_id": known["ann"]["id"], "name": "Garden"}).execute(), "23505")


@claim
def neither_sees_a_row_of_the_other_by_any_verb():
    team, task = known["ann"]["id"], known["tasks"][0]["id"]
    for table in ("projects", "tasks", "members", "tags", "project_progress"):
        assert bea.table(table).select("*").eq("team_id", team).execute().data == [], table
    assert bea.table("tasks").update({"title": "mine now"}).eq("id", task).execute().data == []
    assert bea.table("tasks").delete().eq("id", task).execute().data == []
    refused(lambda: bea.table("projects").insert({"team_id": team, "name": "Trojan"}).execute(), "42501")
    assert open_client().table("tasks").select("*").execute().data == []


@claim
def the_secret_key_passes_by_the_policies():
    assert open_client(SECRET).table("tasks").select("*", count="exact", head=True).execute().count >= 24_000


@claim
def refreshing_gives_a_new_pair():
    before = ann.auth.get_session().refresh_token
    assert ann.auth.refresh_session().session.refresh_token != before


@claim
def after_signing_out_the_token_is_dead_within_a_second():
    token = ann.auth.get_session().access_token
    ann.auth.sign_out()
    replay = open_client(Authorization=f"Bearer {token}")
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        try:
            replay.table("teams").select("*").execute()
        except APIError:
            break
        time.sleep(0.025)
    else:
        raise AssertionError("still accepted after a second")
    try:
        assert open_client().auth.get_user(token) is None
    except AuthError:
        pass
    assert len(bea.table("teams").select("id").execute().data) == 1


finish()
