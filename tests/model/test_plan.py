"""About how much a transfer moves, takes and costs."""

import pytest

from git_datamanager.model import plan
from git_datamanager.model.plan import PART, Plan

AWS = "https://s3.eu-central-1.amazonaws.com"
R2 = "https://abc.r2.cloudflarestorage.com"


def test_small_objects_are_one_request_each_and_a_look() -> None:
    step = plan.upload("a.csv", "v1", 100)
    assert (step.writes, step.reads) == (1, 1)
    assert plan.download("a.csv", "v1", 100).reads == 1


def test_large_ones_travel_in_parts() -> None:
    assert plan.upload("a.bin", "v1", 3 * PART + 1).writes == 6
    assert plan.download("a.bin", "v1", 3 * PART + 1).reads == 5


def test_sums() -> None:
    planned = Plan([plan.upload("a", "v1", 100), plan.upload("b", "v1", 200)], is_download=False)
    assert (planned.size, planned.requests) == (300, 4)
    assert planned.seconds(100) == 3
    assert planned.seconds(None) is None


@pytest.mark.parametrize(
    ("endpoint", "up", "down"),
    [(AWS, 0.0000054, 0.09), (R2, 0.00000486, 0.0), ("http://127.0.0.1:9000", None, None)],
)
def test_what_leaves_amazon_is_what_costs(endpoint: str, up: float | None, down: float | None) -> None:
    up_plan = Plan([plan.upload("a", "v1", 1000)], is_download=False)
    down_plan = Plan([plan.download("a", "v1", 10**9)], is_download=True)
    assert up_plan.dollars(plan.price_of(endpoint)) == (None if up is None else pytest.approx(up))
    assert down_plan.dollars(plan.price_of(endpoint)) == (
        None if down is None else pytest.approx(down, abs=1e-4)
    )


def test_a_host_that_only_looks_like_a_service_has_no_price() -> None:
    assert plan.price_of("https://evilamazonaws.com") is None
    assert plan.price_of("https://amazonaws.com.example.org") is None
