"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from whichpage.types import Answer
from whichpage.web.desk import Desk
from whichpage.web.jobs import Jobs

# When a counter was made is of no use to anybody here, and doubles the page.
disable_created_metrics()  # type: ignore[no-untyped-call]
_SECONDS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self, finding: Desk, jobs: Jobs) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "whichpage_requests_total",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "whichpage_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.answers = Counter(
            "whichpage_answers_total", "Photos answered, by status.", ("status",), registry=self._registry
        )
        self.stages = Histogram(
            "whichpage_stage_seconds",
            "Seconds a stage of finding.",
            ("stage",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Now(finding, jobs))
        ProcessCollector(registry=self._registry)

    def answered(self, answer: Answer) -> None:
        """Counts an answer and its stages."""
        self.answers.labels(answer.status).inc()
        for stage, seconds in answer.timings.items():
            self.stages.labels(stage).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


class _Now(Collector):
    """What can be seen at the moment it is asked for."""

    def __init__(self, finding: Desk, jobs: Jobs) -> None:
        self._finding = finding
        self._jobs = jobs

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "whichpage_photos_in_progress", "Photos at the desk, waiting or not.", self._finding.inside
        )
        yield GaugeMetricFamily("whichpage_photos_waiting", "Photos in line.", self._finding.waiting)
        states = GaugeMetricFamily("whichpage_jobs", "Uploads by state of their indexing.", labels=("state",))
        jobs = self._jobs.all()
        for state in ("queued", "indexing", "done", "failed"):
            states.add_metric((state,), sum(job.state == state for job in jobs))
        yield states
