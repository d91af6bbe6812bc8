from __future__ import annotations

import pytest

from imaging.assets import AssetSettings


class TestWidths:
    @pytest.mark.parametrize(
        ("own", "widths"),
        [
            (512, [512]),
            (700, [480, 700]),
            (1024, [480, 1024]),
            (1536, [480, 960, 1536]),
            (2048, [480, 960, 1440, 2048]),
            (4096, [480, 960, 1440, 1920, 2560]),
            (2560, [480, 960, 1440, 1920, 2560]),
        ],
    )
    def test_they_are_the_pictures_own_and_what_is_well_below(
        self, own: int, widths: list[int]
    ) -> None:
        assert AssetSettings().widths_of(own) == widths

    def test_they_may_be_said_in_any_order(self) -> None:
        assert AssetSettings(widths=(900, 300, 900)).widths == (300, 900)


class TestPreviewFormat:
    @pytest.mark.parametrize(
        ("formats", "preview"),
        [(["avif", "webp", "jpeg"], "webp"), (["jpeg"], "jpeg"), (["avif"], "avif")],
    )
    def test_it_is_one_that_is_quick_to_make(self, formats: list[str], preview: str) -> None:
        settings = AssetSettings.model_validate({"formats": formats})
        assert settings.preview_format == preview
