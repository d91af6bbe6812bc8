"""`darkroom vary`, `edit` and `upscale`: new pictures from one that is there."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.generating import Folder, Wait, WaitSeconds, go_on
from cli.screen import Json
from cli.talking import talking
from cli.watching import WAIT_SECONDS
from darkroom_client.types import Quality

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A completed job, or the address of a picture.")
]
Which = Annotated[
    int | None, typer.Option("--image", min=1, metavar="N", help="Which of its images, from 1.")
]
Strength = Annotated[
    float | None, typer.Option(help="How far to depart from the source, above 0 to 1.")
]
Provider = Annotated[str | None, typer.Option(help="See `darkroom providers`.")]
Model = Annotated[str | None, typer.Option()]
Blog = Annotated[str | None, typer.Option("--blog", metavar="ID", help="The blog it is for.")]


def vary(
    source: Source,
    prompt: Annotated[str | None, typer.Option(help="The source's where none is given.")] = None,
    image: Which = None,
    num_images: Annotated[int | None, typer.Option("--images", "-n", min=1, max=4)] = None,
    quality: Annotated[Quality | None, typer.Option(help="`draft` awaits a review.")] = None,
    strength: Strength = None,
    seed: Annotated[int | None, typer.Option()] = None,
    provider: Provider = None,
    model: Model = None,
    blog: Blog = None,
    wait: Wait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    to: Folder = None,
    as_json: Json = False,
) -> None:
    """Make other pictures like one."""
    asked = _asked(
        source,
        image,
        prompt=prompt,
        num_images=num_images,
        quality=quality,
        strength=strength,
        seed=seed,
        provider=provider,
        model=model,
        blog_id=blog,
    )
    with talking() as client:
        accepted = client.vary(**asked)
        go_on(client, accepted, "job_id", wait=wait, timeout=timeout, to=to, as_json=as_json)


def edit(
    source: Source,
    prompt: Annotated[str, typer.Argument(help="What to change.")],
    image: Which = None,
    quality: Annotated[Quality | None, typer.Option(help="`draft` awaits a review.")] = None,
    strength: Strength = None,
    seed: Annotated[int | None, typer.Option()] = None,
    provider: Provider = None,
    model: Model = None,
    blog: Blog = None,
    wait: Wait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    to: Folder = None,
    as_json: Json = False,
) -> None:
    """Change a picture as the prompt says."""
    asked = _asked(
        source,
        image,
        prompt=prompt,
        quality=quality,
        strength=strength,
        seed=seed,
        provider=provider,
        model=model,
        blog_id=blog,
    )
    with talking() as client:
        accepted = client.edit(**asked)
        go_on(client, accepted, "job_id", wait=wait, timeout=timeout, to=to, as_json=as_json)


def upscale(
    source: Source,
    image: Which = None,
    scale: Annotated[int | None, typer.Option(help="2, the default, or 4.")] = None,
    width: Annotated[int | None, typer.Option(help="In pixels, with --height.")] = None,
    height: Annotated[int | None, typer.Option()] = None,
    provider: Provider = None,
    model: Model = None,
    blog: Blog = None,
    wait: Wait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    to: Folder = None,
    as_json: Json = False,
) -> None:
    """Make a picture larger, here and for free where no provider is named."""
    asked = _asked(
        source,
        image,
        scale=scale,
        width=width,
        height=height,
        provider=provider,
        model=model,
        blog_id=blog,
    )
    with talking() as client:
        accepted = client.upscale(**asked)
        go_on(client, accepted, "job_id", wait=wait, timeout=timeout, to=to, as_json=as_json)


def _asked(source: str, image: int | None, **wish: Any) -> Any:
    """The body; a source is an address or a job."""
    kind = "source_image_url" if "://" in source else "source_job_id"
    index = None if image is None else image - 1
    asked = {kind: source, "source_image_index": index, **wish}
    return {name: value for name, value in asked.items() if value is not None}
