"""How the report writes numbers: functions that its templates use as filters."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from entoflow.metric import Metric

UNMEASURED = "not measured"


def percent(metric: Metric) -> str:
    """Return a share: '87 % (79 to 93)' for 0.871 in 0.79 to 0.926."""
    if metric.value is None:
        return UNMEASURED
    return f"{100 * metric.value:.0f} %" + _brackets(metric, 100, ".0f")


def number(metric: Metric) -> str:
    """Return a metric with two decimals: '0.86 (0.80 to 0.91)' for 0.861 in 0.8 to 0.913."""
    if metric.value is None:
        return UNMEASURED
    return f"{metric.value:.2f}" + _brackets(metric, 1, ".2f")


def signed(metric: Metric) -> str:
    """Return a difference with its sign and three decimals."""
    if metric.value is None:
        return ""
    return f"{metric.value:+.3f}" + _brackets(metric, 1, "+.3f")


def precise(metric: Metric) -> str:
    """Return a metric with three decimals, without its interval."""
    return UNMEASURED if metric.value is None else f"{metric.value:.3f}"


def interval(metric: Metric) -> str:
    """Return the interval of a metric, nothing where it has none."""
    if metric.low is None or metric.high is None:
        return ""
    return f"{metric.low:.3f} to {metric.high:.3f}"


def without_interval(text: str) -> str:
    """Return '87 %' of '87 % (79 to 93)'."""
    return text.partition(" (")[0]


def only_interval(text: str) -> str:
    """Return '79 to 93' of '87 % (79 to 93)', nothing where there are no brackets."""
    return text.partition(" (")[2].removesuffix(")")


def in_order(
    metrics: Mapping[str, Metric], labels: Iterable[str], hidden: Iterable[str] = ()
) -> list[str]:
    """Return names of metrics: those with a label in the labels' order, then the others by name."""
    labelled = [name for name in labels if name in metrics]
    others = sorted(set(metrics) - set(labelled))
    return [name for name in [*labelled, *others] if name not in set(hidden)]


def _brackets(metric: Metric, factor: float, form: str) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f" ({factor * metric.low:{form}} to {factor * metric.high:{form}})"


FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "number": number,
    "signed": signed,
    "precise": precise,
    "interval": interval,
    "without_interval": without_interval,
    "only_interval": only_interval,
    "in_order": in_order,
}
