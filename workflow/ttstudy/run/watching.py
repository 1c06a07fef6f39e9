"""What a run tells while it goes on: steps done, time left, a live page; at its end one sentence for each failure.

Snakemake logs an event for every job. They are read here, in its main process; its own log file keeps all lines.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ttstudy.dag.layout import Job, Layout
from ttstudy.errors import one_line
from ttstudy.run import provenance

LIVE_SECONDS = 5.0
"""Between two states of the live page, at least."""


class Failure(NamedTuple):
    """A failed step: what it was, why in one sentence, its log."""

    step: str
    why: str
    log: str


@dataclass
class Running:
    """A job that was started and has not ended."""

    step: str
    product: str
    log: str
    since: float


@dataclass
class State:
    """How a run stands."""

    done: int = 0
    total: int = 0
    running: dict[int, Running] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    """By the job's number: one that was tried again and ended well is none."""
    left: float | None = None
    """Seconds, where they are known."""
    untimed: int = 0
    """Steps left of which nothing is known."""
    ended: str = ""
    """How the run ended; "" while it goes on."""


GROUPED = "it shared a job with a step that failed"
Kind = tuple[str, ...]


def _kinds(job: Job) -> tuple[Kind, Kind]:
    """What a job is like: its step and models, and its step alone."""
    cell = job.cell
    return (job.rule, cell.policy if cell else str(job.of), job.prm), (job.rule,)


class Clock:
    """How long steps take, learned from those that have finished in this run and in earlier ones."""

    def __init__(
        self, layout: Layout, jobs: Iterable[Job], left: Iterable[Job], others: Iterable[tuple[str, float]] = ()
    ) -> None:
        """`jobs`: all of a study, of which earlier runs may have left a record; `left`: those that this run does.

        `others`: seconds of steps of other studies.
        """
        self.left = {job.spec.product: job for job in left}
        self._took: dict[Kind, list[float]] = defaultdict(list)
        self._before: dict[Kind, list[float]] = defaultdict(list)
        self._others: dict[str, list[float]] = defaultdict(list)
        for job in jobs:
            told = provenance.read(provenance.beside(layout.root / job.spec.product))
            if told is not None and isinstance(told.get("seconds"), int | float):
                for kind in _kinds(job):
                    self._before[kind].append(float(told["seconds"]))

        for step, seconds in others:
            if not self._before.get((step,)):
                self._others[step].append(seconds)

    def ended(self, product: str, seconds: float) -> None:
        """Learn from a job that has ended well."""
        if (job := self.left.pop(product, None)) is not None:
            for kind in _kinds(job):
                self._took[kind].append(seconds)

    def expected(self, job: Job) -> float | None:
        """Seconds of a job: as its like took in this run, else in earlier ones; None where there is none."""
        for known in (self._took, self._before):
            for kind in _kinds(job):
                if known.get(kind):
                    return sum(known[kind]) / len(known[kind])
        taken = self._others.get(job.rule)
        return sum(taken) / len(taken) if taken else None

    def remaining(self, running: Mapping[str, float], at_once: int) -> tuple[float | None, int]:
        """Seconds until all is done with so many jobs at once, and how many steps nothing is known of.

        None where that is most of them. `running`: seconds that each running job has had.
        """
        known, untimed = [], 0
        for product, job in self.left.items():
            if (seconds := self.expected(job)) is None:
                untimed += 1
            else:
                known.append(max(0.0, seconds - running.get(product, 0.0)))
        if not self.left or 2 * untimed > len(self.left):
            return None, untimed
        return max([sum(known) / max(1, at_once), *known, 0.0]), untimed


_OTHERS = 400
"""Records of other studies that are read at most."""


def elsewhere(results: str) -> Iterator[tuple[str, float]]:
    """Seconds of the steps of analysis of all studies in a folder of results, as their records tell."""
    studies = Path(results) / "studies"
    patterns = ("*/.*.job.json", "*/tables/.*.job.json", "*/cells/*/.*.job.json")
    for path in islice((path for pattern in patterns for path in studies.glob(pattern)), _OTHERS):
        told = provenance.read(path)
        if told is not None and isinstance(told.get("seconds"), int | float) and "step" in told:
            yield str(told["step"]), float(told["seconds"])


def in_words(seconds: float | None, untimed: int = 0) -> str:
    """Time left, for the end of a line; nothing where it is not known."""
    if seconds is None:
        return ""
    minutes = seconds / 60
    words = f"{max(1, round(minutes))} min" if minutes < 90 else f"{minutes / 60:.1f} h"
    if minutes >= 60 * 36:
        words = f"{minutes / 60 / 24:.1f} days"
    words = "less than a minute" if minutes < 0.75 else f"about {words}"
    steps = "1 step" if untimed == 1 else f"{untimed} steps"
    return f", {words} left" + (f" and {steps} never timed" if untimed else "")


def why(log: Path, said: str, since: float) -> str:
    """Why a step failed, in one sentence: the last error of its log, the signal that ended it, or that nobody said."""
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.stat().st_mtime >= since else []
        for line in reversed(lines):
            if line.startswith("error: "):
                return one_line(line.removeprefix("error: "))
    if said == GROUPED:
        return said
    if found := re.search(r"died with <Signals\.(\w+)|exit status (137|143)", said):
        killed = found[1] or {"137": "SIGKILL", "143": "SIGTERM"}[found[2]]
        memory = "; the system does so where memory runs out: run fewer jobs at once" if killed == "SIGKILL" else ""
        return f"it was ended by {killed}{memory}"
    return "it ended with a defect of the program, which the lines above and Snakemake's log tell of"


class Watch(logging.Handler):
    """Reads Snakemake's events; see `install`."""

    def __init__(self, clock: Clock, plain: Callable[[str], str], page: Callable[[State], None]) -> None:
        """`plain`: path of a result, of Snakemake's; `page`: writes the live page."""
        super().__init__()
        self.state, self._clock, self._plain, self._page = State(), clock, plain, page
        self._began, self._most, self._written = time.time(), 1, 0.0
        self._said = ""
        self._watched = threading.RLock()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of an event; nothing that goes wrong here may harm a run."""
        event = str(getattr(record, "event", None) or "").rpartition(".")[2].lower()
        with suppress(Exception), self._watched:
            told: dict[str, Any] = record.__dict__
            if event == "job_info":
                output = [self._plain(str(path)) for path in told["output"]]
                log = next(iter(map(str, told["log"])), "")
                step = self._named(told["rule_name"], told["wildcards"])
                self.state.running[told["jobid"]] = Running(step, output[0] if output else "", log, time.time())
                self._most = max(self._most, len(self.state.running))
            elif event == "job_finished" and (job := self.state.running.pop(told["job_id"], None)) is not None:
                self._clock.ended(job.product, time.time() - job.since)
                self.state.failures.pop(told["job_id"], None)
            elif event == "progress":
                self.state.done, self.state.total = told["done"], told["total"]
                now = time.time()
                had = {job.product: now - job.since for job in self.state.running.values()}
                self.state.left, self.state.untimed = self._clock.remaining(had, self._most)
            elif event == "job_error":
                job = self.state.running.pop(told["jobid"], None)
                logs = list(map(str, told["log"]))
                step = job.step if job else str(told["rule_name"])
                log = logs[0] if logs else ""
                said = GROUPED if told["indent"] else self._said
                self.state.failures[told["jobid"]] = Failure(step, why(Path(log), said, self._began), log)
            elif event == "error":
                self._said = record.getMessage()
            self.write()

    def _named(self, rule: str, wildcards: Mapping[str, str]) -> str:
        known = ("prm", "policy", "model", "benchmark", "labelled")
        names = [str(wildcards[name]) for name in known if wildcards.get(name)]
        return f"{rule.replace('_', ' ')} ({', '.join(names)})" if names else rule.replace("_", " ")

    def write(self, now: bool = False) -> None:
        """Write the live page, where it is time."""
        if now or time.monotonic() - self._written > LIVE_SECONDS:
            self._written = time.monotonic()
            with suppress(Exception):
                self._page(self.state)

    def end(self, well: bool) -> None:
        """The run is over: the page says so, and each distinct failure is told once, in one sentence."""
        with self._watched:
            self.state.ended = "done" if well else "failed" if self.state.failures else "stopped"
            self.state.running.clear()
            self.write(now=True)
        if not well:
            for line in told(self.state.failures.values()):
                print(line, file=sys.stderr)


def told(failures: Iterable[Failure]) -> list[str]:
    """Two lines for each distinct reason: the sentence, then which steps and where their log is."""
    by_reason: dict[str, list[Failure]] = {}
    for failure in failures:
        by_reason.setdefault(failure.why, []).append(failure)
    lines = []
    for reason, those in by_reason.items():
        more = f" and {len(those) - 1} more" if len(those) > 1 else ""
        log = f"; log: {those[0].log}" if those[0].log else ""
        lines += [f"error: {reason}", f"    in {those[0].step}{more}{log}"]
    return lines


_NOISE = ("job_started", "job_finished", "job_error", "group_error", "error", "job_info")


def install(watch: Watch) -> None:
    """Hear Snakemake's events, and keep what is said at the end out of the terminal before it."""
    from snakemake.logging import DefaultFormatter, logger

    plain = DefaultFormatter.format_progress

    def progress(formatter: Any, message: dict[str, Any]) -> str:
        return str(plain(formatter, message)) + in_words(watch.state.left, watch.state.untimed)

    def quiet(record: logging.LogRecord) -> bool:
        event = str(getattr(record, "event", None) or "").rpartition(".")[2].lower()
        called = event != "error" or "CalledProcessError" in record.getMessage()
        return not (event in _NOISE and called or str(record.msg) == "Select jobs to execute...")

    setattr(DefaultFormatter, "format_progress", progress)  # noqa: B010 - mypy knows that it is another function
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(quiet)
    logger.handlers.insert(0, watch)
