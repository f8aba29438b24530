"""Every method of the unmodified `postgrest` for Python, of both its clients, and that none is left out: what is called is counted.

PALISADE_URL, PALISADE_KEY and PALISADE_SECRET say where. What rows.sql makes is there already; the schema `aside` is served second.
"""

import asyncio
import functools
import inspect
import os

from postgrest import AsyncPostgrestClient, SyncPostgrestClient
from postgrest.exceptions import APIError
from supabase import ClientOptions, create_client

from claims import claim, finish

URL, KEY, SECRET = (os.environ[name] for name in ("PALISADE_URL", "PALISADE_KEY", "PALISADE_SECRET"))
methods, called = set(), set()


def count(cls):
    """Counts each call of a public method of `cls`, or read of a property."""

    def counted(name, function):
        @functools.wraps(function)
        def call(*args, **named):
            called.add((cls.__name__, name))
            return function(*args, **named)

        return call

    for name in [name for name in dir(cls) if not name.startswith("_")]:
        found = inspect.getattr_static(cls, name)
        if isinstance(found, property):
            setattr(cls, name, property(counted(name, found.fget)))
        elif inspect.isfunction(found):
            setattr(cls, name, counted(name, found))
        else:
            continue
        methods.add((cls.__name__, name))


def both(part):
    """The class of each client that is named so."""
    from postgrest._async import request_builder as later
    from postgrest._sync import request_builder as now

    return getattr(now, f"Sync{part}RequestBuilder"), getattr(later, f"Async{part}RequestBuilder")


# None gives a `FilterRequestBuilder`, and `QueryRequestBuilder` is only what others are made from.
for part in ("", "Select", "RPCFilter", "Single", "MaybeSingle", "Explain"):
    for one in both(part):
        count(one)
for one in (SyncPostgrestClient, AsyncPostgrestClient):
    count(one)

loop = asyncio.new_event_loop()


def run(query):
    """The answer of either client."""
    answer = query.execute()
    return loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer


def data(query):
    return run(query).data


def ids(query):
    return [row["id"] for row in data(query.order("id"))]


def refused(query, code):
    try:
        run(query)
    except APIError as error:
        assert error.code == code, f"{error.code}, not {code}: {error.message}"
        return
    raise AssertionError(f"not refused with {code}")


def signed_in(name):
    client = create_client(URL, KEY, ClientOptions(auto_refresh_token=False, persist_session=False))
    answer = client.auth.sign_up({"email": f"{name}@example.com", "password": "Correct-Horse-9!Battery"})
    return answer.session.access_token


def opened(cls, token, schema="public"):
    return cls(f"{URL}/rest/v1", schema=schema, headers={"apikey": KEY}).auth(token)


def claims_of(cls):
    word = "later" if cls is AsyncPostgrestClient else "now"

    def told(attempt):
        attempt.__name__ += f"_{word}"
        return claim(attempt)

    token = signed_in(f"ann-rows-{word}")
    ann, bea = opened(cls, token), opened(cls, signed_in(f"bea-rows-{word}"))
    operator = cls(f"{URL}/rest/v1", headers={"apikey": SECRET})
    # Both write into the same tables.
    base = 1000 if word == "later" else 2000
    n = lambda *numbers: [base + number for number in numbers]
    things = lambda *columns, **how: ann.table("kept_things").select(*columns, **how)
    found = lambda pick: ids(pick(things("id")))

    @told
    def rows_of_different_columns_are_inserted_at_once():
        rows = [
            {"id": base + 1, "name": "a red rose", "words": ["a", "b"], "facts": {"a": 1, "deep": {"b": [1, 2]}}, "span": "[1,5)", "rank": 1, "done": True},
            {"id": base + 2, "name": 'Two, (odd) "things"', "words": ["b", "c,d"], "facts": {"a": 2}, "span": "[5,9)", "rank": 2, "done": False},
            {"id": base + 3, "name": "100%_sure", "words": ["e"], "facts": {}, "span": "[20,30)", "rank": 3},
            {"id": base + 4, "name": "ünïcode 🌱"},
        ]
        refused(ann.from_("kept_things").insert(rows), "23502")
        made = run(ann.from_table("kept_things").insert(rows, default_to_null=False, count="exact").select("id", "words", "size"))
        assert made.count == 4 and made.data[3] == {"id": base + 4, "words": [], "size": 7}, made.data
        parts = [{"id": base + at, "thing_id": base + of, "name": name} for at, of, name in ((1, 1, "stem"), (2, 1, "leaf"), (3, 1, "thorn"), (4, 2, "odd"))]
        assert data(ann.table("kept_parts").insert(parts, returning="minimal")) == []

    @told
    def values_are_compared():
        assert found(lambda q: q.eq("rank", 2)) == n(2)
        assert found(lambda q: q.neq("rank", 2)) == n(1, 3)
        assert found(lambda q: q.gt("rank", 2)) == n(3)
        assert found(lambda q: q.gte("rank", 2)) == n(2, 3)
        assert found(lambda q: q.lt("rank", 2)) == n(1)
        assert found(lambda q: q.lte("rank", 2)) == n(1, 2)
        assert found(lambda q: q.is_("rank", None)) == n(4)
        assert found(lambda q: q.is_("done", True)) == n(1)
        assert found(lambda q: q.not_.is_("done", "null")) == n(1, 2)
        assert found(lambda q: q.not_.in_("rank", [1, 3])) == n(2)
        assert found(lambda q: q.in_("name", ["a red rose", 'Two, (odd) "things"', "ünïcode 🌱"])) == n(1, 2, 4)
        assert found(lambda q: q.in_("rank", [])) == []
        assert found(lambda q: q.match({"rank": 1, "done": True})) == n(1)
        assert found(lambda q: q.or_("rank.eq.1,and(rank.gt.1,done.is.false)")) == n(1, 2)
        assert found(lambda q: q.not_.or_("rank.eq.1,rank.eq.2")) == n(3)
        assert found(lambda q: q.filter("facts->deep->b->>0", "eq", "1")) == n(1)

    @told
    def texts_are_matched():
        assert found(lambda q: q.like("name", "%red%")) == n(1)
        assert found(lambda q: q.like("name", "100\\%\\_s*")) == n(3)
        assert found(lambda q: q.ilike("name", "TWO%")) == n(2)
        assert found(lambda q: q.like_all_of("name", "a%,%rose")) == n(1)
        assert found(lambda q: q.like_any_of("name", "a%,%🌱")) == n(1, 4)
        assert found(lambda q: q.ilike_all_of("name", "A%,%ROSE")) == n(1)
        assert found(lambda q: q.ilike_any_of("name", "A%,TWO%")) == n(1, 2)
        assert found(lambda q: q.fts("search", "red & rose")) == n(1)
        assert found(lambda q: q.plfts("search", "rose red")) == n(1)
        assert found(lambda q: q.phfts("search", "red rose")) == n(1)
        assert found(lambda q: q.wfts("search", '"red rose" -blue')) == n(1)
        for kind in (None, "plain", "phrase", "web_search"):
            query = "red & roses" if kind is None else "red roses"
            assert found(lambda q: q.text_search("search", query, {"type": kind, "config": "english"})) == n(1), kind

    @told
    def arrays_json_and_ranges_are_compared_with_each_other():
        for contains in ("cs", "contains"):
            assert found(lambda q: getattr(q, contains)("words", ["b"])) == n(1, 2)
            assert found(lambda q: getattr(q, contains)("words", ["c,d"])) == n(2)
        assert found(lambda q: q.contains("facts", {"deep": {"b": [2]}})) == n(1)
        assert found(lambda q: q.contains("span", "[2,3)")) == n(1)
        for within in ("cd", "contained_by"):
            assert found(lambda q: getattr(q, within)("words", ["a", "b", "e"])) == n(1, 3, 4)
        assert found(lambda q: q.contained_by("facts", {"a": 2, "z": 1})) == n(2, 3, 4)
        assert found(lambda q: q.contained_by("span", "[1,9)")) == n(1, 2, 4)
        for overlaps in ("ov", "overlaps"):
            assert found(lambda q: getattr(q, overlaps)("words", ["a", "e"])) == n(1, 3)
            assert found(lambda q: getattr(q, overlaps)("span", "[4,6)")) == n(1, 2)
        for names, bounds, wanted in (
            (("sr", "range_gt"), (0, 9), n(3)),
            (("nxl", "range_gte"), (4, 9), n(2, 3)),
            (("sl", "range_lt"), (4, 9), n(1)),
            (("nxr", "range_lte"), (4, 9), n(1, 2)),
            (("adj", "range_adjacent"), (4, 9), n(1)),
        ):
            for name in names:
                assert found(lambda q: getattr(q, name)("span", bounds)) == wanted, name

    @told
    def rows_and_what_is_in_them_are_ordered_limited_and_paged():
        ranks = lambda **how: [row["rank"] for row in data(things("rank").order("rank", **how))]
        assert ranks(nullsfirst=True) == [None, 1, 2, 3]
        assert ranks(desc=True, nullsfirst=False) == [3, 2, 1, None]
        assert [row["id"] for row in data(things("id").order("id").limit(2).offset(1))] == n(2, 3)
        page = run(things("id", count="exact").order("id").range(1, 2))
        assert ([row["id"] for row in page.data], page.count) == (n(2, 3), 4)
        row = data(things("id", "kept_parts(name)").eq("id", base + 1).order("name", foreign_table="kept_parts").limit(2, foreign_table="kept_parts").single())
        assert [part["name"] for part in row["kept_parts"]] == ["leaf", "stem"]
        row = data(things("id", "kept_parts(name)").eq("id", base + 1).order("name", foreign_table="kept_parts").range(1, 5, "kept_parts").single())
        assert [part["name"] for part in row["kept_parts"]] == ["stem", "thorn"]
        assert ids(things("id", "kept_parts!inner(name)").or_("name.eq.odd,name.eq.leaf", reference_table="kept_parts")) == n(1, 2)
        for how in ("exact", "planned", "estimated"):
            assert isinstance(run(things("id", count=how, head=True)).count, int), how

    @told
    def an_answer_is_one_row_none_a_table_or_without_nulls():
        assert data(things("id").eq("id", base + 1).single().retry(False))["id"] == base + 1
        refused(things("id").single(), "PGRST116")
        assert run(things("id").eq("id", base + 9).maybe_single()) is None
        assert run(things("id").eq("id", base + 1).maybe_single()).data == {"id": base + 1}
        refused(things("id").maybe_single(), "406")
        assert data(things("id", "rank").gt("id", base + 2).order("id").csv()) == f"id,rank\n{base + 3},3\n{base + 4},"
        assert data(things("id", "rank").eq("id", base + 4).strip_nulls()) == [{"id": base + 4}]
        assert data(things("id", "rank").eq("id", base + 4).strip_nulls().single()) == {"id": base + 4}

    @told
    def the_operator_alone_is_told_how_rows_are_found():
        plan = data(operator.table("kept_things").select("id").explain(format="json", verbose=True, settings=True))
        assert plan[0]["Plan"]["Node Type"], plan
        assert "actual time" in run(operator.table("kept_things").select("id").explain(analyze=True, buffers=True, wal=True).retry(False))
        refused(things("id").explain(), "PGRST107")

    @told
    def rows_are_changed_put_and_removed_and_never_more_than_were_meant():
        table = lambda: ann.table("kept_things")
        changed = run(table().update({"rank": 9}, count="exact").eq("id", base + 3).select("rank"))
        assert (changed.data, changed.count) == ([{"rank": 9}], 1)
        row = {"id": base + 5, "name": "five", "rank": 5}
        assert data(table().upsert(row, count="exact"))[0]["size"] == 7
        assert data(table().upsert({**row, "rank": 50}, on_conflict="id", ignore_duplicates=True)) == []
        put = data(table().upsert([{**row, "rank": 55}, {"id": base + 6, "name": "six", "size": 6}], on_conflict="id", default_to_null=False).select("id", "rank", "size"))
        assert put == [{"id": base + 5, "rank": 55, "size": 7}, {"id": base + 6, "rank": None, "size": 6}], put
        assert data(table().insert({**row, "rank": 56}, upsert=True).select("rank")) == [{"rank": 56}]
        refused(table().update({"done": False}).gt("id", base + 4).lt("id", base + 10).max_affected(1), "PGRST124")
        assert found(lambda q: q.gt("id", base + 4).is_("done", None)) == n(5, 6), "nothing of it happened"
        assert len(data(table().update({"done": False}).gt("id", base + 4).max_affected(2))) == 2
        refused(table().delete().gt("id", base + 4).max_affected(1), "PGRST124")
        gone = run(table().delete(count="exact", returning="minimal").eq("id", base + 6).max_affected(1))
        assert (gone.data, gone.count) == ([], 1)

    @told
    def functions_are_called_with_rows_arrays_objects_by_get_and_by_head():
        assert ids(ann.rpc("things_like", {"part": "%e%"}).select("id").neq("id", base + 3)) == n(1, 4, 5)
        assert data(ann.rpc("sum_of", {"numbers": [1, 2, 3]})) == 6
        assert data(ann.rpc("sum_of", {"numbers": "{1,2,3}"}, get=True)) == 6
        assert data(ann.rpc("word_of", {"told": {"word": 'ü "q"'}})) == 'ü "q"'
        assert run(ann.rpc("things_like", {"part": "%"}, head=True, count="exact")).count == 5
        one = ann.rpc("things_like", {"part": "%"}).select("id", "rank")
        assert data(one.eq("id", base + 4).strip_nulls().single()) == {"id": base + 4}
        assert run(ann.rpc("things_like", {"part": "a%"}).maybe_single().retry(False)).data["id"] == base + 1
        assert data(ann.rpc("things_like", {"part": "a%"}).select("id", "rank").csv()) == f"id,rank\n{base + 1},1"
        listed = ann.rpc("things_like", {"part": "%"}).select("id").order("id", desc=True).limit(2).offset(1)
        assert [row["id"] for row in data(listed)] == n(4, 3)
        assert [row["id"] for row in data(ann.rpc("things_like", {"part": "%"}).select("id").order("id").range(1, 2))] == n(2, 3)
        refused(ann.rpc("forget_things", {"of": "five"}).max_affected(0), "PGRST124")
        assert len(data(ann.rpc("forget_things", {"of": "five"}).max_affected(1))) == 1

    @told
    def every_filter_filters_what_functions_return_and_what_is_changed():
        picks = {
            "eq": ("rank", 2), "neq": ("rank", 1), "gt": ("rank", 1), "gte": ("rank", 2), "lt": ("rank", 5), "lte": ("rank", 5), "is_": ("done", False),
            "like": ("name", "Two%"), "ilike": ("name", "two%"), "like_all_of": ("name", "T%"), "like_any_of": ("name", "T%"), "ilike_all_of": ("name", "t%"),
            "ilike_any_of": ("name", "t%"), "fts": ("search", "odd"), "plfts": ("search", "odd"), "phfts": ("search", "odd"), "wfts": ("search", "odd"),
            "in_": ("rank", [2]), "cs": ("words", ["b"]), "cd": ("words", ["b", "c,d"]), "contains": ("words", ["b"]), "contained_by": ("words", ["b", "c,d"]),
            "ov": ("words", ["b"]), "overlaps": ("words", ["b"]), "sl": ("span", (20, 30)), "sr": ("span", (0, 2)), "nxl": ("span", (4, 9)), "nxr": ("span", (4, 9)),
            "adj": ("span", (8, 10)), "range_gt": ("span", (0, 2)), "range_gte": ("span", (4, 9)), "range_lt": ("span", (20, 30)), "range_lte": ("span", (4, 9)),
            "range_adjacent": ("span", (8, 10)),
        }
        second = lambda q: q.eq("id", base + 2)
        for name, given in picks.items():
            assert [row["id"] for row in data(getattr(second(ann.rpc("things_like", {"part": "%"}).select("id")), name)(*given))] == n(2), name
            assert [row["id"] for row in data(getattr(second(ann.table("kept_things").update({"done": False})), name)(*given))] == n(2), name
        for one in (ann.rpc("things_like", {"part": "%"}), ann.table("kept_things").update({"done": False})):
            assert [row["id"] for row in data(one.filter("rank", "eq", "2").match({"id": base + 2}).or_("rank.eq.2,rank.eq.3").not_.is_("rank", "null"))] == n(2)

    @told
    def another_schema_is_asked_for_by_name_and_what_is_not_served_is_refused():
        aside = ann.schema("aside").auth(token)
        assert data(aside.table("kept_things").insert({"id": base + 1, "name": "aside"}).select("name")) == [{"name": "aside"}]
        assert data(aside.table("kept_things").select("id", "name")) == [{"id": base + 1, "name": "aside"}]
        refused(ann.schema("auth").table("users").select("*"), "PGRST106")

    @told
    def the_other_person_sees_nothing_of_it():
        assert data(bea.table("kept_things").select("*").retry(True)) == []
        assert data(bea.rpc("things_like", {"part": "%"}).retry(True)) == []
        assert data(bea.table("kept_things").update({"rank": 0}).gt("id", 0).retry(True)) == []
        refused(bea.table("kept_things").upsert({"id": base + 1, "name": "mine"}), "42501")

    @told
    def a_mistake_throws():
        refused(things("nothing"), "42703")
        for one in (ann, bea):
            closed = one.aclose()
            if inspect.isawaitable(closed):
                loop.run_until_complete(closed)


for cls in (SyncPostgrestClient, AsyncPostgrestClient):
    claims_of(cls)


@claim
def none_of_their_methods_was_left_out():
    assert len(methods) > 200, f"{len(methods)} methods"
    left_out = sorted(methods - called)
    assert left_out == [], left_out


finish()
