"""The review desk's page and files, and what it asks besides what everybody asks."""

from __future__ import annotations

import re

from pydantic import AnyHttpUrl

from api.desk_files import DeskFiles
from domain.keys import Scope
from tests.api.conftest import API, PROMPT, Caller, Serve, problem
from tests.api.keys import bearer, key


async def names_of_files(api: Caller) -> list[str]:
    """The addresses that the page loads."""
    page = await api.http.get("/")
    return re.findall(r'(?:href|src)="(desk/[^"]+)"', page.text)


class TestPage:
    async def test_it_may_load_nothing_but_its_own_files_and_images(self, door: Caller) -> None:
        answer = await door.http.get("/")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'; style-src 'self'; img-src 'self' data:;" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"<script>|<style|style=|https?://", answer.text)

    async def test_images_may_come_from_where_they_are_served(self, serve: Serve) -> None:
        async with serve(
            asset_base_url=AnyHttpUrl("https://cdn.example:8443/pictures"),
            public_url=AnyHttpUrl("https://desk.example/"),
        ) as api:
            policy = (await api.http.get("/")).headers["content-security-policy"]
        assert "img-src 'self' data: https://cdn.example:8443 https://desk.example;" in policy

    async def test_it_is_asked_for_each_time_and_sent_only_when_it_has_changed(
        self, door: Caller
    ) -> None:
        answer = await door.http.get("/")
        assert answer.headers["cache-control"] == "no-cache"
        etag = answer.headers["etag"]
        again = await door.http.get("/", headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")

    async def test_it_is_for_everybody_and_what_it_shows_is_not(self, serve: Serve) -> None:
        async with serve(api_keys=(key("ann"),)) as locked:
            assert (await locked.http.get("/")).status_code == 200
            for name in await names_of_files(locked):
                assert (await locked.http.get(f"/{name}")).status_code == 200
            problem(await locked.get("/jobs"), 401, "unauthenticated")


class TestFiles:
    async def test_they_are_kept_for_good_under_their_name(self, door: Caller) -> None:
        names = await names_of_files(door)
        assert len(names) > 10
        for name in names:
            answer = await door.http.get(f"/{name}")
            assert answer.status_code == 200, name
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_all_that_modules_import_is_there(self, door: Caller) -> None:
        loaded = {name.split("/", 2)[2] for name in await names_of_files(door)}
        assert {path for path in DeskFiles().files if path.endswith(".mjs")} <= loaded

    async def test_under_an_older_name_they_are_not_kept(self, door: Caller) -> None:
        answer = await door.http.get("/desk/0123456789abcdef/app.mjs")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"

    async def test_nothing_else_is_served(self, door: Caller) -> None:
        for path in ("index.html", "no.mjs", "..%2f..%2fapp.py", "vendor/README.md", ""):
            problem(await door.http.get(f"/desk/x/{path}"), 404, "file_not_found")


class TestCaller:
    async def test_without_keys_it_may_do_everything(self, door: Caller) -> None:
        told = (await door.get("/caller")).json()
        assert told["tenant"] == "default"
        assert set(told["scopes"]) == {"admin", "generate", "read", "review"}
        assert "key_name" not in told

    async def test_a_key_says_whose_it_is_and_what_it_may(self, serve: Serve) -> None:
        async with serve(api_keys=(key("ann", Scope.REVIEW, tenant="press"),)) as api:
            answer = await api.http.get(f"{API}/caller", headers=bearer("ann"))
        told = answer.json()
        assert (told["tenant"], told["key_name"], told["scopes"]) == ("press", "ann", ["review"])


class TestTitles:
    async def test_it_is_told_from_the_start_and_in_lists(
        self, door: Caller, staffed: Caller
    ) -> None:
        prompt = f"{PROMPT}, {'and on ' * 60}".strip()
        job_id = await staffed.create(prompt=prompt)
        await staffed.completed(job_id)
        title = (await staffed.job(job_id))["title"]
        assert title.endswith("…")
        assert prompt.startswith(title[:-1])
        assert len(title) <= 160
        listed = (await staffed.get("/jobs")).json()["jobs"]
        [told] = [job for job in listed if job["job_id"] == job_id]
        assert (told["title"], told["width"], told["height"]) == (title, 64, 64)
        assert {"thumbhash", "dominant_color"} <= told.keys()
        waiting = await door.create(prompt="a pier\n  in fog")
        assert (await door.job(waiting))["title"] == "a pier in fog"
