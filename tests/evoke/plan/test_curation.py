"""`evoke plan --curate`: sums follow from the figures, and the table in docs/SCALE.md is today's."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evoke.cli import main
from evoke.plan.curation import clip_cost, curations, priced
from evoke.plan.rates import value

ROOT = Path(__file__).parents[3]
NUMBER = 100_000_000


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", "--curate", "100e6", *arguments])


def test_the_plan_in_the_documents_is_todays() -> None:
    command, shown = re.findall(r"`evoke plan --curate 100e6 (.+?)`:\n```\n(.+?)\n```", SCALE, re.DOTALL)[0]
    assert run(*command.split()).output == f"{shown}\n"


SCALE = (ROOT / "docs/SCALE.md").read_text()


def test_a_cpu_node_takes_what_its_cores_take_and_nodes_share_it() -> None:
    small, large = curations(NUMBER, ["cpu"], 1, {"cpu": 2.0})
    each = (value("curating_ms") + value("fitting_ms")) / 1e3 + clip_cost("ViT-L-14").flops / value(
        "curating_gflops"
    ) / 1e9
    assert large.hours == pytest.approx(NUMBER * each / value("cpu_node_cores") / 3600, rel=1e-6)
    assert large.money == pytest.approx(2 * large.hours)
    assert small.hours < large.hours
    (shared, _) = curations(NUMBER, ["cpu"], 8, {})
    assert shared.hours == pytest.approx(small.hours / 8, rel=1e-3)
    assert shared.money is None


def test_a_gpu_waits_for_the_fitting_of_images() -> None:
    small, large = curations(NUMBER, ["h200"], 1, {})
    fitting = NUMBER * value("fitting_ms") / 1e3 / 3600
    assert fitting < small.hours < 1.2 * fitting
    assert small.bound.startswith("fitting to CLIP's square in one process")
    assert large.hours > 3 * fitting
    assert large.bound == "40% of fp32 peak, target"


@pytest.mark.parametrize("price", ["cpu", "cpu=", "cpu=much", "cpu=-1", "cpu=inf", "cpu=nan"])
def test_a_price_is_of_a_device_and_at_least_0(price: str) -> None:
    with pytest.raises(ValueError, match="wanted DEVICE=PRICE"):
        priced(price)


def test_an_unknown_device_is_one_line() -> None:
    result = run("--price", "tpu=1")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "tpu: unknown device" in result.output
