"""Readers of marks that are not ours: ExifTool, C2PA's own, and a vendor who signs by itself."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from typing import Any

import c2pa
import pytest

from tests.imaging.certificates import Credentials, credentials
from tests.imaging.pictures import AI_MADE

Json = dict[str, Any]


def exiftool(data: bytes) -> Json:
    """What ExifTool finds; in continuous integration it has to be there."""
    if shutil.which("exiftool") is None:
        if os.environ.get("CI"):
            pytest.fail("exiftool is not installed (libimage-exiftool-perl)")
        pytest.skip("exiftool is not installed (libimage-exiftool-perl)")
    done = subprocess.run(
        ["exiftool", "-json", "-G1", "-a", "-n", "-"], input=data, capture_output=True, check=True
    )
    return dict(json.loads(done.stdout)[0])


def manifest_store(data: bytes, media_type: str, trusted: bytes | None = None) -> Json:
    """All that C2PA's library reads, with `trusted` for a trust list."""
    settings: Json = {"version": 1, "verify": {"remote_manifest_fetch": False}}
    if trusted:
        settings["trust"] = {"user_anchors": trusted.decode()}
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Reader(media_type, io.BytesIO(data), context=context) as reader,
    ):
        return dict(json.loads(reader.json()))


def signed_by_vendor(
    data: bytes, media_type: str, found: Credentials | None = None, source: str = AI_MADE
) -> bytes:
    """A picture as a vendor delivers it that signs what it makes."""
    found = found or credentials()
    created = {"action": "c2pa.created", "digitalSourceType": source}
    manifest = {
        "claim_generator_info": [{"name": "Vendor's model", "version": "3"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    into = io.BytesIO()
    info = c2pa.C2paSignerInfo("es256", found.chain, found.key, None)
    with c2pa.Builder(manifest) as builder, c2pa.Signer.from_info(info) as signer:
        builder.sign(signer, media_type, io.BytesIO(data), into)
    return into.getvalue()
