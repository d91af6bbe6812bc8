from __future__ import annotations

import pytest

from domain.operations import Operation, Source, digital_source_type

TRAINED, COMPOSITE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
ENHANCED = "algorithmicallyEnhanced"
EDIT, UPSCALE = Operation.EDIT, Operation.UPSCALE


def source(said: str | None) -> Source:
    return Source(key="k", width_px=1, height_px=1, digital_source_type=said)


def test_without_a_source_a_model_made_it_all() -> None:
    assert digital_source_type(Operation.GENERATE, None) == TRAINED


@pytest.mark.parametrize(
    ("operation", "said", "only_resamples", "expected"),
    [
        (EDIT, None, False, COMPOSITE),
        (Operation.VARIATIONS, "digitalCapture", False, COMPOSITE),
        (EDIT, TRAINED, False, TRAINED),
        (EDIT, COMPOSITE, False, COMPOSITE),
        (UPSCALE, None, True, ENHANCED),
        (UPSCALE, "digitalCapture", True, ENHANCED),
        (UPSCALE, TRAINED, True, TRAINED),
        (UPSCALE, None, False, COMPOSITE),
    ],
)
def test_what_a_model_changed_says_so_and_what_is_enhanced_is_no_more_than_that(
    operation: Operation, said: str | None, only_resamples: bool, expected: str
) -> None:
    made = digital_source_type(operation, source(said), only_resamples=only_resamples)
    assert made == expected
