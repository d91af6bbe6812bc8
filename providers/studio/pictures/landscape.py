"""Landscapes: sky, land in layers of growing depth, water or open ground, and a foreground."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Pen, Step
from providers.studio.colour import Colour, Plane, lit, mix
from providers.studio.motifs import figures, ground, ridges, sky, skyline, trees, water, weather
from providers.studio.noise import line

_WET = ("sea", "lake", "river", "beach", "boat", "lighthouse")


def horizon_of(canvas: Canvas, brief: Brief) -> float:
    """Return the height of the horizon in units."""
    low = {True: 0.66, False: 0.56}[brief.theme.has("sky", "bird", "balloon")]
    return canvas.tall * (low + 0.09 * float(brief.roll("horizon").random()))


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a landscape, from the sky forward."""
    horizon = horizon_of(canvas, brief)
    painting: list[Step] = [*_heavens(brief, horizon), *_distance(brief, horizon)]
    if _wet(brief):
        painting += _waterside(brief, horizon)
    elif brief.theme.has("city") and not brief.theme.has("field", "desert", "road"):
        painting += _waterfront(brief, horizon)
    else:
        painting += _land(brief, horizon)
    return [*painting, *_air(brief, horizon)]


def _wet(brief: Brief) -> bool:
    return brief.theme.has(*_WET)


def _heavens(brief: Brief, horizon: float) -> list[Step]:
    painting: list[Step] = [partial(sky.paint_sky, brief=brief, horizon=horizon)]
    if (brief.light.dark or "stars" in brief.theme.weather) and brief.allows("stars"):
        dense = 1.6 if "stars" in brief.theme.weather else 0.7
        painting.append(partial(sky.paint_stars, brief=brief, horizon=horizon, density=dense))
    if "aurora" in brief.theme.weather:
        painting.append(partial(sky.paint_aurora, brief=brief, horizon=horizon))
    painting.append(partial(sky.paint_sun, brief=brief, horizon=horizon))
    painting.append(partial(sky.paint_clouds, brief=brief, horizon=horizon))
    if "storm" in brief.theme.weather:
        painting.append(partial(weather.paint_lightning, brief=brief, horizon=horizon))
    if "rainbow" in brief.theme.weather:
        painting.append(partial(sky.paint_rainbow, brief=brief, horizon=horizon))
    if brief.theme.has("bird") or (
        not brief.light.dark and brief.allows("bird") and brief.chance("birds", 0.3)
    ):
        painting.append(partial(sky.paint_birds, brief=brief, horizon=horizon))
    if brief.theme.has("balloon"):
        painting.append(partial(figures.paint_balloons, brief=brief, horizon=horizon))
    return painting


def _distance(brief: Brief, horizon: float) -> list[Step]:
    """Return what stands on the horizon: mountains, far hills, or nothing over open sea."""
    if brief.theme.has("mountain"):
        return _mountains(brief, horizon)
    if brief.theme.has("city"):
        return []
    if brief.theme.has("desert"):
        return [partial(_dune, brief=brief, horizon=horizon, layer=layer) for layer in range(2)]
    if brief.theme.has("sea", "beach") and brief.chance("open sea", 0.45):
        return []
    if not brief.allows("mountain") and not brief.allows("hill"):
        return []
    count = 1 if brief.theme.has("sea", "beach") else 3
    return [
        partial(_far_hill, brief=brief, horizon=horizon, layer=i, count=count) for i in range(count)
    ]


def _mountains(brief: Brief, horizon: float) -> list[Step]:
    count = 4 if brief.look.detail > 0.5 else 2
    painting: list[Step] = []
    for layer in range(count):
        painting.append(partial(_mountain, brief=brief, horizon=horizon, layer=layer, count=count))
        if brief.look.bands == 0 and layer % 2 == 0:
            level = horizon - 0.02
            painting.append(
                partial(
                    weather.paint_mist, brief=brief, level=level, strength=0.5, name=f"mist {layer}"
                )
            )
    return painting


def _mountain(canvas: Canvas, brief: Brief, horizon: float, layer: int, count: int) -> None:
    rng = brief.roll(f"mountain {layer}")
    depth = (layer + 0.35) / count
    high = canvas.tall**0.5 * (0.36 - 0.22 * depth) * (0.85 + 0.35 * float(rng.random()))
    base = horizon + 0.01 + 0.05 * depth
    crest = ridges.mountain_crest(canvas, rng, base - 0.05 * (1 - depth), high)
    tone = brief.at_depth(0.1 + 0.62 * depth)
    sunny = mix(tone, lit(mix((0.62, 0.56, 0.5), brief.light.sun, 0.35), brief.light.lamp), 0.42)
    winter = "snow" in brief.theme.weather
    snowy = 0.46 if winter else (0.3, 0.2, 0.0, 0.0)[layer]
    if brief.light.name in {"golden", "sunset"} and brief.chance("bare rock", 0.4):
        snowy = 0.0
    ridge = ridges.Ridge(
        f"rock {layer}",
        crest,
        max(base + 0.14, horizon + 0.05),
        sunny,
        mix(tone, brief.light.near, 0.22),
        0.9 - 0.25 * depth,
        snow=snowy,
    )
    ridges.paint_ridge(canvas, brief, ridge)


def _far_hill(canvas: Canvas, brief: Brief, horizon: float, layer: int, count: int) -> None:
    rng = brief.roll(f"far hill {layer}")
    depth = (layer + 0.5) / (count + 0.5)
    base = horizon - 0.075 * (1 - depth) * canvas.tall**0.5
    crest = ridges.hill_crest(canvas, rng, base, 0.045 + 0.02 * (1 - depth), 0.45)
    crest += line(canvas.x, rng, 0.05, octaves=3) * np.float32(0.0028)
    tone = brief.at_depth(0.08 + 0.5 * depth)
    ridge = ridges.Ridge(
        f"far hill {layer}",
        crest,
        horizon + 0.08,
        mix(tone, _leaf(brief), 0.25),
        tone,
        0.7,
        rough=0.5,
        relief=0.35,
    )
    ridges.paint_ridge(canvas, brief, ridge)


def _dune(canvas: Canvas, brief: Brief, horizon: float, layer: int) -> None:
    rng = brief.roll(f"dune {layer}")
    base = horizon + (-0.03, 0.045, 0.15, 0.28)[layer] * canvas.tall**0.5
    high = (0.05, 0.075, 0.1, 0.12)[layer]
    swell = 1 - np.abs(line(canvas.x, rng, 0.5 + 0.1 * layer, octaves=2, gain=0.3)) * np.float32(2)
    crest = (np.float32(base) - np.float32(high) * swell).astype(np.float32)
    depth = 0.12 + 0.25 * layer
    sand = lit((0.93, 0.68, 0.42), brief.light.lamp, 0.9)
    tone = mix(brief.light.far, mix(sand, brief.light.near, 0.3), 0.45 + 0.15 * layer)
    ridge = ridges.Ridge(
        f"dune {layer}",
        crest,
        canvas.tall + 0.02,
        mix(tone, mix(sand, brief.light.sun, 0.3), 0.6),
        mix(tone, brief.light.near, 0.25 + 0.3 * depth),
        0.55 - 0.12 * layer,
        rough=0.22,
        relief=1.0,
    )
    ridges.paint_ridge(canvas, brief, ridge)


def _waterside(brief: Brief, horizon: float) -> list[Step]:
    painting: list[Step] = []
    if brief.theme.has("city"):
        painting += _towers(brief, horizon)
    if brief.theme.has("forest", "lake", "river") and brief.allows("forest"):
        painting.append(partial(_shore_trees, brief=brief, horizon=horizon))
    painting.append(partial(_water, brief=brief, horizon=horizon))
    if brief.theme.has("lighthouse"):
        painting.append(partial(_lighthouse, brief=brief, horizon=horizon))
    if brief.theme.has("boat") or (
        brief.theme.has("sea") and brief.allows("boat") and brief.chance("boat", 0.35)
    ):
        painting.append(partial(_boat, brief=brief, horizon=horizon))
    if brief.theme.has("beach"):
        painting.append(partial(_strand, brief=brief, horizon=horizon))
        painting.append(partial(_palms, brief=brief))
    elif brief.theme.has("person", "house", "river", "flower", "lake", "field"):
        painting.append(partial(_bank, brief=brief, horizon=horizon))
    return painting


def _water(canvas: Canvas, brief: Brief, horizon: float) -> None:
    calm = brief.theme.has("lake", "river") or "calm" in brief.theme.moods
    rough = 0.28 if calm else 0.8
    if brief.light.name == "storm":
        rough = 1.2
    water.paint_water(canvas, brief, horizon, canvas.tall + 0.01, rough=rough, sky=horizon)


def _shore_trees(canvas: Canvas, brief: Brief, horizon: float) -> None:
    rng = brief.roll("shore")
    crest = (
        np.float32(horizon)
        - np.float32(0.018)
        - np.abs(line(canvas.x, rng, 0.4)) * np.float32(0.03)
    )
    _conifers(canvas, brief, "shore trees", crest.astype(np.float32), 0.085, 60, 0.7)
    tone = mix(brief.at_depth(0.7), _leaf(brief), 0.22)
    ridge = ridges.Ridge("shore", crest, horizon + 0.004, tone, tone, 0.0, relief=0.0)
    ridges.paint_ridge(canvas, brief, ridge)


def _lighthouse(canvas: Canvas, brief: Brief, horizon: float) -> None:
    figures.paint_lighthouse(canvas, brief, horizon + 0.06, 0.42 * canvas.tall**0.5)


def _boat(canvas: Canvas, brief: Brief, horizon: float) -> None:
    figures.paint_boat(canvas, brief, horizon, canvas.tall)


def _strand(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Curve a beach into the lower corner, with a line of foam."""
    rng = brief.roll("strand")
    lean = 0.3 if brief.chance("strand side", 0.5) else -0.3
    base = canvas.tall - 0.13
    edge = (
        np.float32(base)
        + np.float32(lean) * canvas.x
        + line(canvas.x, rng, 0.5, octaves=2) * np.float32(0.03)
    )
    sand = mix(lit((0.94, 0.82, 0.63), brief.light.lamp), brief.light.near, 0.12)
    foam = ridges.Ridge(
        "foam",
        (edge - np.float32(0.02)).astype(np.float32),
        canvas.tall + 0.01,
        mix(sand, (1.0, 1.0, 1.0), 0.75),
        mix(sand, (1.0, 1.0, 1.0), 0.6),
        0.0,
        relief=0.0,
    )
    wet = ridges.Ridge(
        "wet",
        edge.astype(np.float32),
        canvas.tall + 0.01,
        mix(sand, brief.light.near, 0.3),
        mix(sand, brief.light.near, 0.34),
        0.0,
        relief=0.0,
    )
    dry = ridges.Ridge(
        "dry",
        (edge + np.float32(0.022)).astype(np.float32),
        canvas.tall + 0.01,
        sand,
        mix(sand, brief.light.near, 0.3),
        0.0,
        rough=0.3,
        relief=0.35,
    )
    for ridge in (foam, wet, dry):
        ridges.paint_ridge(canvas, brief, ridge)


def _palms(canvas: Canvas, brief: Brief) -> None:
    side = 1.0 if brief.chance("strand side", 0.5) else -1.0
    for index, (place, high) in enumerate(((0.42, 0.55), (0.32, 0.42))):
        x = side * place * canvas.wide
        trees.palm(canvas, brief, f"palm {index}", (x, canvas.tall - 0.02), high * canvas.tall**0.5)


def _bank(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Paint the near shore that people, houses and flowers stand on."""
    crest = _near_crest(canvas, brief, canvas.tall - 0.1)
    _meadow(canvas, brief, crest, "bank")
    _dwellers(canvas, brief, crest)


def _waterfront(brief: Brief, horizon: float) -> list[Step]:
    painting = _towers(brief, horizon)
    painting.append(partial(_harbour, brief=brief, horizon=horizon))
    if brief.theme.has("person"):
        painting.append(partial(_bank, brief=brief, horizon=horizon))
    return painting


def _harbour(canvas: Canvas, brief: Brief, horizon: float) -> None:
    water.paint_water(canvas, brief, horizon + 0.04, canvas.tall + 0.01, rough=0.4, sky=horizon)


def _towers(brief: Brief, horizon: float) -> list[Step]:
    return [
        partial(_tower_row, brief=brief, horizon=horizon, depth=depth, high=high)
        for depth, high in ((0.05, 0.42), (0.45, 0.34), (0.85, 0.22))
    ]


def _tower_row(canvas: Canvas, brief: Brief, horizon: float, depth: float, high: float) -> None:
    tall = high * canvas.tall**0.5
    skyline.paint_skyline(canvas, brief, horizon + 0.02 + 0.022 * depth, depth, tall)


def _land(brief: Brief, horizon: float) -> list[Step]:
    painting: list[Step] = []
    if brief.theme.has("desert"):
        painting += [partial(_dune, brief=brief, horizon=horizon, layer=layer) for layer in (2, 3)]
    elif brief.theme.has("forest"):
        painting += [
            partial(_woods, brief=brief, horizon=horizon, layer=layer) for layer in range(3)
        ]
    elif brief.theme.has("field", "road"):
        painting.append(partial(_field, brief=brief, horizon=horizon))
    else:
        painting += [
            partial(_near_hills, brief=brief, horizon=horizon, layer=layer) for layer in range(2)
        ]
    if brief.theme.has("city"):
        painting = [*_towers(brief, horizon - 0.01), *painting]
    if brief.theme.has("road"):
        painting.append(partial(ground.paint_road, brief=brief, horizon=horizon + 0.02))
    painting.append(partial(_foreground, brief=brief))
    return painting


def _leaf(brief: Brief) -> Colour:
    """Return the colour of grass and leaves in this season and light."""
    green: Colour = (0.36, 0.5, 0.24)
    if "autumn" in brief.theme.weather:
        green = (0.78, 0.42, 0.15)
    if brief.light.name == "snow" or "snow" in brief.theme.weather:
        green = (0.86, 0.9, 0.96)
    tone = lit(green, brief.light.lamp)
    share = {"night": 0.72, "dusk": 0.6, "sunset": 0.5, "storm": 0.45, "rain": 0.3, "dawn": 0.35}
    return mix(tone, brief.light.near, share.get(brief.light.name, 0.12))


def _near_crest(canvas: Canvas, brief: Brief, base: float) -> Plane:
    return ridges.hill_crest(canvas, brief.roll("near crest"), base, 0.035, 0.6)


def _near_hills(canvas: Canvas, brief: Brief, horizon: float, layer: int) -> None:
    rng = brief.roll(f"near hill {layer}")
    base = horizon + (0.03 + 0.1 * layer) * canvas.tall**0.5
    crest = ridges.hill_crest(canvas, rng, base, 0.05, 0.55)
    tone = mix(brief.at_depth(0.4 + 0.25 * layer), _leaf(brief), 0.6)
    ridge = ridges.Ridge(
        f"near hill {layer}",
        crest,
        canvas.tall + 0.02,
        mix(tone, brief.light.sun, 0.14),
        mix(tone, brief.light.near, 0.4),
        0.42 - 0.15 * layer,
        rough=0.6,
        relief=0.6,
    )
    if brief.look.detail > 0.4 and brief.allows("forest") and "snow" not in brief.theme.weather:
        _conifers(
            canvas,
            brief,
            f"hill trees {layer}",
            crest,
            0.04 + 0.035 * layer,
            46 - 14 * layer,
            0.45 + 0.25 * layer,
        )
    ridges.paint_ridge(canvas, brief, ridge)


def _conifers(
    canvas: Canvas, brief: Brief, name: str, crest: Plane, high: float, count: int, depth: float
) -> None:
    rng = brief.roll(name)
    pen = Pen(canvas)
    wanted = max(8, round(count * max(brief.look.detail, 0.4)))
    trees.conifer_row(canvas, pen, rng, crest, high, wanted)
    tone = mix(
        brief.at_depth(depth), _leaf(brief), 0.22 if "snow" not in brief.theme.weather else 0.08
    )
    canvas.blend(pen.patch(), tone)


def _woods(canvas: Canvas, brief: Brief, horizon: float, layer: int) -> None:
    """Paint one bank of forest; the nearest stands tall at the sides of the picture."""
    base = horizon + (-0.02, 0.1, 0.27)[layer] * canvas.tall**0.5
    crest = ridges.hill_crest(canvas, brief.roll(f"wood {layer}"), base, 0.04 + 0.015 * layer, 0.6)
    if layer == 2:
        crest -= np.float32(0.1) * np.abs(canvas.x) ** 1.5
    depth = 0.3 + 0.33 * layer
    tone = mix(brief.at_depth(depth), _leaf(brief), 0.3 if layer < 2 else 0.18)
    high, count = ((0.11, 74), (0.19, 46), (0.36, 22))[layer]
    _conifers(canvas, brief, f"wood {layer}", crest, high * canvas.tall**0.3, count, depth)
    ridge = ridges.Ridge(
        f"wood {layer}",
        crest,
        canvas.tall + 0.02,
        tone,
        mix(tone, brief.light.near, 0.25),
        0.72 - 0.3 * layer,
        rough=0.7,
        relief=0.25,
    )
    ridges.paint_ridge(canvas, brief, ridge)
    if layer < 2 and brief.look.bands == 0:
        weather.paint_mist(canvas, brief, base + 0.07, 0.5, f"wood mist {layer}")


def _field(canvas: Canvas, brief: Brief, horizon: float) -> None:
    leaf = _leaf(brief)
    crop: Colour = ((0.86, 0.68, 0.3), (0.5, 0.58, 0.28), (0.56, 0.42, 0.66))[brief.pick("crop", 3)]
    if brief.light.name == "snow":
        crop = (0.9, 0.93, 0.97)
    crop = mix(lit(crop, brief.light.lamp), leaf, 0.25)
    shade = {"night": 0.66, "dusk": 0.55, "sunset": 0.36, "storm": 0.4}.get(brief.light.name, 0.08)
    near = mix(mix(crop, brief.light.near, shade), brief.light.near, 0.2)
    ground.paint_plain(
        canvas,
        brief,
        horizon + 0.012,
        mix(crop, brief.light.haze, 0.5),
        near,
        furrows=0.0 if brief.theme.has("road") else 0.4,
    )


def _foreground(canvas: Canvas, brief: Brief) -> None:
    """Close the picture at its lower edge, and stand on it whoever was asked for."""
    crest = _near_crest(canvas, brief, canvas.tall - 0.07)
    people = brief.theme.has("person", "house")
    if brief.theme.has("desert"):
        _dwellers(canvas, brief, crest - np.float32(0.08))
        return
    if brief.theme.has("road") and not brief.theme.has("flower"):
        _dwellers(canvas, brief, crest - np.float32(0.12))
        return
    if people or brief.theme.has("flower") or brief.chance("foreground", 0.75):
        _meadow(canvas, brief, crest, "foreground")
    _dwellers(canvas, brief, crest)


def _meadow(canvas: Canvas, brief: Brief, crest: Plane, name: str) -> None:
    tone = mix(brief.at_depth(0.95), _leaf(brief), 0.22)
    ridge = ridges.Ridge(
        name,
        crest,
        canvas.tall + 0.02,
        mix(tone, _leaf(brief), 0.3),
        tone,
        0.0,
        rough=0.7,
        relief=0.3,
    )
    ridges.paint_ridge(canvas, brief, ridge)
    if "snow" in brief.theme.weather or brief.look.detail < 0.4:
        return
    hues: tuple[Colour, ...] = ()
    if brief.theme.has("flower") and brief.allows("flower"):
        hues = tuple(
            mix(lit(hue, brief.light.lamp, 0.6), brief.light.near, 0.1)
            for hue in brief.palette.tones[:3]
        )
    ground.paint_grass(canvas, brief, mix(tone, _leaf(brief), 0.16), 0.16 if hues else 0.09, hues)


def _dwellers(canvas: Canvas, brief: Brief, crest: Plane) -> None:
    if brief.theme.has("house"):
        figures.paint_houses(canvas, brief, crest, 0.17)
    if brief.theme.has("forest") and brief.theme.has("field", "hill") and brief.allows("forest"):
        x = (0.34 if brief.chance("tree side", 0.5) else -0.34) * canvas.wide
        foot = float(np.interp(x, canvas.x, crest)) + 0.01
        trees.broadleaf(canvas, brief, "tree", (x, foot), 0.42 * canvas.tall**0.4, _leaf(brief))
    if brief.theme.has("person"):
        figures.paint_people(canvas, brief, crest, 0.115)


def _air(brief: Brief, horizon: float) -> list[Step]:
    painting: list[Step] = []
    falling = brief.theme.weather
    if ("fog" in falling or brief.light.name == "fog") and brief.allows("fog"):
        for index, lift in enumerate((-0.05, 0.12)):
            painting.append(
                partial(
                    weather.paint_mist,
                    brief=brief,
                    level=horizon + lift,
                    strength=0.75,
                    name=f"fog {index}",
                )
            )
    if "snow" in falling:
        painting.append(partial(weather.paint_snowfall, brief=brief))
    if "rain" in falling or "storm" in falling:
        painting.append(partial(weather.paint_rain, brief=brief))
    if {"autumn", "spring"} & falling:
        painting.append(partial(weather.paint_petals, brief=brief))
    return painting
