from __future__ import annotations

import hashlib

from api.pictures import image_answer
from domain.jobs import AltTextSource, ImageAsset, JobResult
from domain.variants import Variant


def variant(kind: str, width_px: int, height_px: int | None = None) -> Variant:
    digest = hashlib.sha256(f"{kind} {width_px}".encode()).hexdigest()
    return Variant.of(kind, width_px, height_px or width_px // 2, 10 * width_px, digest)


MAIN = Variant(name="m.png", width_px=1536, height_px=768, format="png")
OPAQUE = [variant(kind, width) for kind in ("avif", "webp", "jpeg") for width in (1536, 480)]


def told(
    main: Variant, others: list[Variant] | None, *, old: tuple[Variant, ...] = ()
) -> dict[str, object]:
    """An image's answer, its addresses told by the files' names."""
    image = ImageAsset(
        variants=[main, *old],
        others=others,
        social=variant("jpeg", 1200, 630) if others else None,
        size_bytes=7,
        sha256="ab",
        alt_text="sea",
        alt_text_source=AltTextSource.PROMPT if others else None,
        thumbhash="0",
        dominant_color="#000000",
        digital_source_type="trainedAlgorithmicMedia",
    )
    result = JobResult(
        asset_prefix="p", images=[image], generation_time_seconds=1, provider="a", model="b"
    )
    answer = image_answer("img_1", 0, image, result, lambda key: key.removeprefix("p/"))
    return dict(answer.model_dump(mode="json"))


def srcset(kind: str, *widths: int) -> str:
    return ", ".join(f"{variant(kind, width).name} {width}w" for width in widths)


class TestImageAnswer:
    def test_a_final_is_offered_by_type_and_to_every_browser(self) -> None:
        image = told(MAIN, OPAQUE)
        assert image["url"] == image["image_url"] == "m.png"
        assert image["sources"] == [
            {"type": "image/avif", "srcset": srcset("avif", 480, 1536)},
            {"type": "image/webp", "srcset": srcset("webp", 480, 1536)},
        ]
        assert image["srcset"] == srcset("jpeg", 480, 1536)
        assert image["thumbnail_url"] == variant("jpeg", 480).name
        assert image["social_url"] == variant("jpeg", 1200).name
        assert image["alt_text_source"] == "prompt"

    def test_every_file_of_the_whole_picture_is_described(self) -> None:
        variants = told(MAIN, OPAQUE)["variants"]
        assert isinstance(variants, list)
        assert len(variants) == 7
        assert (variants[0]["size_bytes"], variants[0]["sha256"]) == (7, "ab")
        assert (variants[1]["size_bytes"], variants[1]["width"]) == (15_360, 1536)
        assert variants[1]["sha256"] == hashlib.sha256(b"avif 1536").hexdigest()

    def test_of_a_transparent_one_the_main_file_is_the_largest_png(self) -> None:
        others = [variant("webp", 1536), variant("png", 480)]
        assert told(MAIN, others)["srcset"] == f"{srcset('png', 480)}, m.png 1536w"

    def test_a_vendors_webp_is_one_of_its_kind(self) -> None:
        main = Variant(name="m.webp", width_px=1536, height_px=768, format="webp")
        image = told(main, [variant("webp", 480), variant("jpeg", 1536)])
        assert image["sources"] == [
            {"type": "image/webp", "srcset": f"{srcset('webp', 480)}, m.webp 1536w"}
        ]
        assert image["srcset"] == srcset("jpeg", 1536)

    def test_a_draft_has_its_preview(self) -> None:
        image = told(MAIN, [variant("webp", 1536)])
        assert image["srcset"] == srcset("webp", 1536)

    def test_with_nothing_but_its_main_file_it_is_shown_all_the_same(self) -> None:
        image = told(MAIN, [])
        assert (image["srcset"], image["sources"]) == ("m.png 1536w", [])
        assert image["thumbnail_url"] == "m.png"

    def test_an_old_record_is_answered_as_far_as_it_goes(self) -> None:
        old = Variant(name="0.webp", width_px=1536, height_px=768, format="webp")
        image = told(MAIN, None, old=(old,))
        assert image["srcset"] == "0.webp 1536w"
        assert image["sources"] == [{"type": "image/webp", "srcset": "0.webp 1536w"}]
        assert not {"social_url", "alt_text_source"} & set(image)
