"""Which files are made of a picture: what `[assets]` in `darkroom.toml` may say, and its widths."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_WORTH_A_STEP = 1.2
"""A width this near to the picture's own, as a factor, saves too little to be worth a file."""

WebFormat = Literal["avif", "webp", "jpeg"]
Percent = Annotated[int, Field(ge=1, le=100)]


def _rising(widths: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(widths)))


def _once_each(formats: tuple[WebFormat, ...]) -> tuple[WebFormat, ...]:
    return tuple(dict.fromkeys(formats))


class AssetSettings(BaseModel):
    """The `[assets]` table; encoders' numbers are those of Pillow."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    formats: Annotated[
        tuple[WebFormat, ...], Field(min_length=1, strict=False), AfterValidator(_once_each)
    ] = ("avif", "webp", "jpeg")
    """Best first, as a browser is offered them; of a transparent picture, PNG instead of JPEG."""
    widths: Annotated[
        tuple[Annotated[int, Field(ge=16, le=8192)], ...],
        Field(min_length=1, max_length=12, strict=False),
        AfterValidator(_rising),
    ] = (480, 960, 1440, 1920, 2560)
    """In pixels; besides, each picture gets its own, up to the largest of these."""
    avif_quality: Percent = 50
    avif_speed: Annotated[int, Field(ge=0, le=10)] = 8
    """7 takes three times as long as 8 and saves 4 % of the bytes."""
    webp_quality: Percent = 82
    webp_effort: Annotated[int, Field(ge=0, le=6)] = 2
    """3 takes twice as long as 2 and saves 8 % of the bytes."""
    jpeg_quality: Percent = 80
    social: bool = True
    """Whether wide pictures get a crop for link previews."""
    social_width: Annotated[int, Field(ge=200, le=4096)] = 1200
    social_height: Annotated[int, Field(ge=200, le=4096)] = 630

    @property
    def preview_format(self) -> WebFormat:
        """The one format of a draft and of what is small: quick to make, shown everywhere."""
        return next((kind for kind in self.formats if kind != "avif"), self.formats[0])

    def is_small(self, width_px: int) -> bool:
        """Whether a picture is too narrow to be worth more than a preview."""
        return width_px < self.widths[0]

    def widths_of(self, width_px: int) -> list[int]:
        """The widths that are made of a picture that is `width_px` wide, in rising order."""
        smaller = {width for width in self.widths if width * _WORTH_A_STEP <= width_px}
        return sorted(smaller | {min(width_px, self.widths[-1])})
