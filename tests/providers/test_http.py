from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from domain.errors import Cancelled, ProviderUnavailable
from providers.http import VendorHttp, retry_after
from tests.fakes import FakeCall
from tests.vendors.stand_in import StandIn

IN_AN_HOUR = datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("", None)]
)
def test_retry_after_is_seconds(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}) == seconds


@pytest.mark.parametrize(
    "value",
    [
        format_datetime(IN_AN_HOUR, usegmt=True),
        format_datetime(IN_AN_HOUR).replace("+0000", "-0000"),
        format_datetime(IN_AN_HOUR).removesuffix(" +0000"),
    ],
    ids=["gmt", "no-zone", "none"],
)
def test_or_a_date_of_utc_also_where_the_vendor_does_not_say_so(value: str) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is not None
    assert 0 < seconds <= 3600


class CalledOff(FakeCall):
    async def sending(self) -> None:
        raise Cancelled("The job was cancelled.")


async def test_what_must_not_be_sent_any_more_when_there_is_a_connection_does_not_arrive(
    stand_in: StandIn,
) -> None:
    vendor = stand_in["fal"]
    http = VendorHttp("fal", vendor.base_url, {"authorization": "Key fal-key"})
    path, asked = "/fal-ai/flux/dev", {"prompt": "a pier"}
    with pytest.raises(Cancelled):
        await http.pay(CalledOff(), "POST", path, json=asked)
    assert vendor.requests == []
    answer = await http.pay(FakeCall(), "POST", path, json=asked)
    await http.close()
    assert answer.status_code == 200
    assert len(vendor.charges) == 1


async def test_what_a_proxy_passes_to_nobody_is_not_put_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[0])
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1") as proxy:
        address = proxy.sockets[0].getsockname()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{address[1]}")
        http, call = VendorHttp("fal", "https://vendor.example", {}), FakeCall()
        with pytest.raises(ProviderUnavailable):
            await http.pay(call, "POST", "/fal-ai/flux/dev", json={})
        await http.close()
    assert asked == [b"CONNECT"]
    assert call.story == []
