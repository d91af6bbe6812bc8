from __future__ import annotations

import hashlib

from pydantic import TypeAdapter

from domain.variants import PackedVariant, Variant

DIGEST = hashlib.sha256(b"a picture").hexdigest()
PACKED = TypeAdapter(PackedVariant)
VARIANT = Variant.of("jpeg", 960, 640, 12_506, DIGEST)


class TestVariant:
    def test_its_name_follows_from_its_content(self) -> None:
        other = Variant.of("jpeg", 960, 640, 12_506, hashlib.sha256(b"another").hexdigest())
        assert other.name != VARIANT.name
        assert VARIANT.name.startswith("960w-")
        assert VARIANT.name.endswith(".jpg")
        assert Variant.of("avif", 960, 640, 1, DIGEST).name.endswith(".avif")

    def test_packed_it_is_short_and_nothing_is_lost(self) -> None:
        packed = PACKED.dump_json(VARIANT)
        assert len(packed) < 70
        assert PACKED.validate_json(packed) == VARIANT
        assert PACKED.validate_python(VARIANT) == VARIANT
