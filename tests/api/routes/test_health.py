from __future__ import annotations

from tests.api.conftest import Caller, Json, Serve
from tests.conftest import WorkerFactory
from tests.waiting import eventually
from version import VERSION


def states(health: Json) -> dict[str, str]:
    return {part["name"]: part["state"] for part in health["parts"]}


async def until_healthy(api: Caller) -> Json:
    """The health once a worker has been seen polling."""

    async def look() -> Json | None:
        health = dict((await api.http.get("/health")).json())
        return health if health["status"] == "healthy" else None

    return await eventually(look, "the service is healthy")


class TestHealth:
    async def test_it_is_healthy_while_the_service_can_do_its_work(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            health = await until_healthy(api)
            ready = await api.http.get("/health/ready")
        assert states(health) == {"engine": "ok", "store": "ok", "worker": "ok"}
        assert health["version"] == VERSION
        assert ready.status_code == 200
        assert ready.json()["status"] == "healthy"

    async def test_without_a_worker_it_is_degraded_and_says_so(self, api: Caller) -> None:
        health = await api.http.get("/health")
        assert health.status_code == 200
        assert health.json()["status"] == "degraded"
        assert states(health.json()) == {"engine": "ok", "store": "ok", "worker": "down"}
        ready = await api.http.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["parts"] == health.json()["parts"]

    async def test_without_an_engine_it_is_degraded_and_says_so(self, engineless: Caller) -> None:
        health = await engineless.http.get("/health")
        assert health.status_code == 200
        assert health.json()["status"] == "degraded"
        assert states(health.json()) == {"engine": "down", "store": "ok", "worker": "down"}
        assert "127.0.0.1" not in health.text

    async def test_without_a_store_it_is_degraded_and_says_so(
        self, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        async with serve(s3_endpoint="http://127.0.0.1:9") as api, new_worker():

            async def look() -> Json | None:
                health = dict((await api.http.get("/health")).json())
                return health if states(health)["worker"] == "ok" else None

            health = await eventually(look, "a worker polls")
            ready = await api.http.get("/health/ready")
        assert health["status"] == "degraded"
        assert states(health) == {"engine": "ok", "store": "down", "worker": "ok"}
        assert "127.0.0.1" not in str(health)
        assert ready.status_code == 503

    async def test_without_its_bucket_it_is_degraded(self, serve: Serve) -> None:
        async with serve(s3_bucket="no-such-bucket") as api:
            health = (await api.http.get("/health")).json()
        assert states(health)["store"] == "down"

    async def test_the_process_lives_whatever_else_is_down(self, engineless: Caller) -> None:
        answer = await engineless.http.get("/health/live")
        assert answer.status_code == 200
        assert answer.json() == {"status": "alive"}
