"""What a style does to the painted picture: light, grade, and then film, paper, paint or ink."""

from functools import partial

from providers.studio.brief import Brief
from providers.studio.canvas import Step
from providers.studio.finishes import cel, film, grade, ink, paint, paper, stipple

_SURFACES = {
    "paper": paper.steps,
    "paint": paint.steps,
    "ink": ink.steps,
    "cel": cel.steps,
    "stipple": stipple.steps,
}


def steps(brief: Brief) -> list[Step]:
    """Return the finishing steps of the brief's look, in order."""
    look = brief.look
    surface = _SURFACES.get(look.finish)
    return [
        partial(film.bloom, look=look),
        partial(grade.tone, look=look),
        partial(grade.colour, look=look),
        *(surface(brief) if surface else []),
        partial(film.vignette, look=look),
        partial(film.add_grain, brief=brief),
    ]
