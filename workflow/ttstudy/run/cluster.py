"""A cluster's executor: Snakemake's Slurm plugin, with what a run needs to survive what clusters do.

The plugin (2.8.0) words the submission; what becomes of a job is decided here. A job's name tells the results folder
and what it makes, so that a run that starts anew goes on with the jobs of one that was killed. Its end is judged by
`ttstudy.run.endings`, and files on disk have the last word. A submission that is refused for now waits. Loaded only
where the plugin is: every start with it asks Slurm for its settings.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import snakemake_executor_plugin_slurm as plugin
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import get_job_wildcards, set_gres_string
from snakemake_executor_plugin_slurm.validation import validate_or_get_slurm_job_id, validate_slurm_extra
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from ttstudy.dag import writing
from ttstudy.dag.specs import files as specs
from ttstudy.errors import StudyError
from ttstudy.run import endings, refused, standing
from ttstudy.run.endings import GONE, HELD, Move

FOLDER = ".cluster"
"""Folder of the results with what each submitted job makes, and with notes of steps that failed."""
_LONGEST_LOOK = 180.0
"""Seconds between two looks at the jobs at most."""


@dataclass
class Context:
    """What the executor has to know of the study at hand."""

    results: Path
    wanted: Callable[[], set[str]]
    """Spec files of all jobs of the study; other jobs that are found in the cluster are cancelled."""
    environment: Callable[[Any], dict[str, str]]
    """The environment of a job of Snakemake's: without keys that it does not need."""


@dataclass
class Watch:
    """What is known of a job beside Snakemake's own record; `SubmittedJobInfo.aux` holds it."""

    log: Path | None = None
    jobs: tuple[Known, ...] = ()
    """The Slurm job, or those of an earlier run that make some or all of this one's outputs."""
    adopted: bool = False
    """Whether they are an earlier run's."""
    seen: str = ""
    """The end that Slurm told at the last look: files and notes may come later than that."""
    times: dict[str, int] = field(default_factory=dict)
    """How often it was submitted again, by why."""
    due: float | None = None
    """When it is to be submitted again; it is not with Slurm until then."""


class Known(NamedTuple):
    """A Slurm job. A controller that has lost its state gives numbers out again, to other jobs."""

    number: str
    name: str


_context: list[Context] = []


def install(context: Context) -> None:
    """Run the study's jobs by this executor where Slurm's is asked for."""
    _context[:] = [context]
    ExecutorPluginRegistry().plugins["slurm"].executor = Executor


def asked(*command: str, seconds: float = 60) -> str | None:
    """What a command of Slurm's says; None where Slurm does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


class Executor(plugin.Executor):  # type: ignore[misc]
    """The plugin's executor, which finds the jobs of an earlier run, and minds how a job ended."""

    def __post_init__(self, test_mode: bool = False) -> None:
        """Nothing is asked of Slurm before the first job is ready."""
        super().__post_init__(test_mode)
        self._context = _context[0]
        self._folder = self._context.results.absolute() / FOLDER
        self._name = f"tts-{sha256(str(self._context.results.resolve()).encode()).hexdigest()[:8]}-"
        self._orphans: dict[Known, set[str]] | None = None
        self._ending = threading.Event()
        self._live: set[Known] = set()
        self._ended: set[Known] = set()
        self._silent = False

    # -- starting jobs ------------------------------------------------------------------------------------------------

    def run_jobs(self, jobs: Sequence[Any]) -> None:
        """Submit jobs, each in a thread: Snakemake goes on while one is refused."""
        if self._orphans is None:
            self._orphans = self._found()
        for job in jobs:
            self.run_job_pre(job)
            self._job_submission_executor.submit(self._begin, job)

    def _found(self) -> dict[Known, set[str]]:
        """Jobs of an earlier run that are with Slurm still, and what each makes; those not wanted are cancelled."""
        self._folder.mkdir(parents=True, exist_ok=True)
        wait = 1.0
        while (told := asked(*self._squeue())) is None:
            self.logger.warning("Slurm does not answer; waiting, so that no job is submitted twice.")
            time.sleep(wait := min(60.0, 2 * wait))
        found, wanted = {}, None
        for (number, name), state in _read(told).items():
            if not name.startswith(self._name) or state in endings.ENDED and state != HELD:
                continue
            made: set[str] = set()
            with suppress(OSError, ValueError):
                made = set(json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8")))
            wanted = self._context.wanted() if wanted is None else wanted
            if made & wanted and state != HELD:
                found[Known(number, name)] = made
            else:
                self.logger.warning(f"Slurm job {number} of an earlier run is cancelled: this study does not want it.")
                asked("scancel", number)
        return found

    def _squeue(self) -> tuple[str, ...]:
        return ("squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%i|%j|%T|%r")

    def _begin(self, job: Any) -> None:
        try:
            makes = set(_makes(job))
            for one in _single(job):
                if self.dag.reason(one).forced:
                    for path in map(Path, one.output):
                        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            orphans = (self._orphans or {}).items()
            known = tuple(one for one, made in orphans if made & makes and one not in self._ended)
            if known:
                words = ", ".join(one.number for one in known)
                self.logger.info(f"Job {job.jobid} goes on as Slurm job {words} of an earlier run.")
                self._live.update(known)
                watch = Watch(self._log(job).with_name(f"{known[0].number}.log"), known, adopted=True)
                self.report_job_submission(SubmittedJobInfo(job, known[0].number, {"watch": watch}))
            elif _stand(job):
                self.report_job_success(SubmittedJobInfo(job))
            else:
                self._submit(job, Watch())
        except Exception as error:  # of a thread: nobody else would tell of it
            self._stop(SubmittedJobInfo(job), f"could not be submitted: {error}")

    def _submit(self, job: Any, watch: Watch) -> None:
        """Hand a job to Slurm, however long that takes; the run's end gives up."""
        validate_slurm_extra(job)
        name = self._name + sha256("\n".join(makes := sorted(_makes(job))).encode()).hexdigest()[:12]
        comment = f"rule_{job.name}" + (f"_wildcards_{told}" if (told := get_job_wildcards(job)) else "")
        log = self._log(job)
        log.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        writing.write(self._folder / f"{name}.json", json.dumps(makes))
        script = f"#!/bin/sh\n{self.format_job_exec(job)}\n"
        patience = refused.Patience(lambda: bool(self._live))
        while not self._ending.is_set():
            call = shlex.split(self._call(job, name, log, comment))
            # A log is gone on with where Slurm starts a job anew, and not begun anew.
            done = subprocess.run([*call, "--open-mode=append"], input=script, capture_output=True, text=True,
                                  env=self._context.environment(job) | {endings.NOTES: str(self._folder)})  # fmt: skip
            if done.returncode == 0:
                number = str(validate_or_get_slurm_job_id(done.stdout.strip().split(";")[0], done.stdout))
                watch.log = log.with_name(f"{number}.log")
                watch.jobs, watch.adopted, watch.due, watch.seen = (Known(number, name),), False, None, ""
                self.logger.info(f"Job {job.jobid} has been submitted with Slurm job id {number} (log: {watch.log}).")
                self._live.update(watch.jobs)
                self.report_job_submission(SubmittedJobInfo(job, number, {"watch": watch}))
                return
            pause, words = patience.after(done.stderr)
            if pause is None:
                self._stop(SubmittedJobInfo(job), f"Slurm refuses this job: {words}")
                return
            if patience.first:
                self.logger.warning(f"Slurm takes no job now ({words}); job {job.jobid} waits and is submitted again.")
            self._ending.wait(pause)

    def _log(self, job: Any) -> Path:
        kind = "group" if job.is_group() else "rule"
        return Path(self.slurm_logdir, f"{kind}_{job.name}", get_job_wildcards(job), "%j.log")

    def _account(self, job: Any) -> str:
        """The option with a job's account; sbatch refuses a wrong one, and needs no database to be asked before."""
        told = re.split(r"[,\s]+", str(job.resources.get("slurm_account") or "").strip())[0]
        if told:
            return f" -A {shlex.quote(told)}"
        try:
            return str(next(self.get_account_arg(job)))
        except WorkflowError:  # which account is the user's cannot be asked now: Slurm knows it
            return ""

    def _call(self, job: Any, name: str, log: Path, comment: str) -> str:
        told = {
            "run_uuid": name,
            "slurm_logfile": log,
            "comment_str": comment,
            "account": self._account(job),
            "partition": self.get_partition_arg(job),
            "workdir": self.workflow.workdir_init,
        }
        # No node is excluded for having failed: Slurm itself gives a job none that is down.
        return str(get_submit_command(job, told, settings=self.workflow.executor_settings) + set_gres_string(job))

    # -- minding them -------------------------------------------------------------------------------------------------

    async def check_active_jobs(self, active_jobs: list[Any]) -> AsyncIterator[Any]:
        """Look at all jobs once; those that go on are yielded."""
        first = float(self.workflow.executor_settings.init_seconds_before_status_checks or 40)
        if not active_jobs:
            self.next_seconds_between_status_checks = first
            return
        jobs = {one for info in active_jobs for one in info.aux["watch"].jobs}
        states = await asyncio.to_thread(self._states, jobs)
        if (states is None) is not self._silent:
            self._silent = states is None
            said = "does not answer; its jobs go on, and this run waits" if self._silent else "answers again"
            self.logger.warning(f"Slurm {said}.")
        ended = False
        for info in active_jobs:
            if states is None or not self._settled(info, states):
                yield info
            else:
                ended = True
        later = min(self.next_seconds_between_status_checks + 10, _LONGEST_LOOK)
        self.next_seconds_between_status_checks = first if ended else later

    def _states(self, jobs: set[Known]) -> dict[Known, str] | None:
        """Slurm's word on jobs: squeue's, then sacct's where there is one; None where Slurm does not answer."""
        if not jobs:
            return {}
        if (told := asked(*self._squeue())) is None:
            return None
        states = _read(told)
        if (lost := jobs - set(states)) and shutil.which("sacct"):
            numbers = ",".join(sorted(one.number for one in lost))
            states |= _read(asked("sacct", "-X", "-n", "-P", "-o", "JobIDRaw,JobName,State", "-j", numbers) or "")
        return states

    def _settled(self, info: Any, states: Mapping[Known, str]) -> bool:
        """Whether a job needs no more looking at as it is; what follows from its state is done here."""
        watch: Watch = info.aux["watch"]
        if self._ending.is_set():
            return False
        if watch.due is not None:
            if time.monotonic() < watch.due:
                return False
            self._job_submission_executor.submit(self._anew, info.job, watch)
            return True
        told = {one: states.get(one, GONE) for one in watch.jobs}
        if any(state not in endings.ENDED for state in told.values()):
            watch.seen = ""
            return False
        # Files, and a step's note, may be seen here later than Slurm tells of the end; it may also begin it anew.
        if (state := " ".join(told.values())) != watch.seen and state != "COMPLETED":
            watch.seen = state
            return False
        return self._followed(info, watch, told)

    def _followed(self, info: Any, watch: Watch, told: Mapping[Known, str]) -> bool:
        """Do what is to be done about a job whose Slurm jobs have ended; False where it waits for that."""
        (number, _), state = next(iter(told.items()))
        found = endings.rule(state, endings.read(self._folder, number))
        self._live.difference_update(told)
        self._ended.update(told)
        if state == HELD:
            asked("scancel", number)
        for each in told:
            endings.forget(self._folder, each.number)
        if not watch.adopted and found.move is Move.DONE or _stand(info.job):
            self._done(info, watch)
            return True
        if watch.adopted and not (len(told) == 1 and self._makes_all(watch, info.job) and found.move is not Move.DONE):
            self._job_submission_executor.submit(self._anew, info.job, watch)
            return True
        found, pause = endings.bounded(found, watch.times.get(state, 0))
        words = f"Slurm job {number} {found.words}"
        if found.move is Move.AGAIN:
            self.logger.warning(f"{words}; job {info.job.jobid} is submitted again as it is.")
            watch.times[state] = watch.times.get(state, 0) + 1
            watch.due, watch.jobs, watch.adopted = time.monotonic() + pause, (), False
            return self._settled(info, {})
        if found.move is Move.MORE:
            self.report_job_error(info, msg=f"{words}. {Move.MORE.value.capitalize()}. ", aux_logs=_logs(watch))
        else:
            self._stop(info, words)
        return True

    def _makes_all(self, watch: Watch, job: Any) -> bool:
        """Whether a job of an earlier run makes all that this one does."""
        return (self._orphans or {}).get(watch.jobs[0], set()) >= set(_makes(job))

    def _anew(self, job: Any, watch: Watch) -> None:
        try:
            self._submit(job, watch)
        except Exception as error:
            self._stop(SubmittedJobInfo(job), f"could not be submitted: {error}")

    def _done(self, info: Any, watch: Watch) -> None:
        if watch.log is not None and not self.workflow.executor_settings.keep_successful_logs:
            watch.log.unlink(missing_ok=True)
        self.report_job_success(info)

    def _stop(self, info: Any, words: str) -> None:
        """The job has failed, and is not tried again."""
        info.job._attempt = info.job.restart_times + 1  # by its setter, its resources would be weighed anew
        logs = _logs(info.aux["watch"]) if info.aux else []
        self.report_job_error(info, msg=f"{words}. It is not tried again. ", aux_logs=logs)

    async def sleep(self) -> None:
        """Until the next look, or the end of the run, which need not wait for it."""
        until = time.monotonic() + self.next_seconds_between_status_checks
        while self.wait and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(1.0, left))

    # -- the end ------------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Cancel all jobs, also those that are just being submitted."""
        self._ending.set()
        self._job_submission_executor.shutdown(wait=True, cancel_futures=True)
        live = sorted(one.number for one in self._live)
        for some in (live[place : place + 500] for place in range(0, len(live), 500)):
            if asked("scancel", *some) is None:
                self.logger.warning("Slurm did not cancel all jobs; the next start goes on with them, or cancels them.")
        self.shutdown()

    def shutdown(self) -> None:
        """Wait for what is under way; leave no notes behind."""
        self._ending.set()
        super().shutdown()
        if not self._live:
            shutil.rmtree(self._folder, ignore_errors=True)


def _single(job: Any) -> list[Any]:
    return list(job.jobs) if job.is_group() else [job]


def _makes(job: Any) -> list[str]:
    """What names each of the results of a job, whichever run submits it: its spec's file, or else its first output."""
    return [str(one.params.get("spec") or one.output[0]) for one in _single(job)]


def _stand(job: Any) -> bool:
    """Whether all results of a job are there as they should be; False of a job without specs."""
    for one in _single(job):
        if not one.params.get("spec") or not all(Path(path).exists() for path in one.output):
            return False
        with suppress(StudyError):
            if standing.stands(specs.read_any(one.params.spec)):
                continue
        return False
    return True


def _logs(watch: Watch) -> list[str]:
    return [] if watch.log is None else [str(watch.log)]


def _read(told: str) -> dict[Known, str]:
    """States by job, from lines `number|name|state` of sacct, or with a reason behind them of squeue."""
    lines = (line.split("|", 3) for line in told.splitlines() if line.count("|") >= 2)
    return {
        Known(number, name): endings.seen(state.split()[0].rstrip("+"), "".join(reason))
        for number, name, state, *reason in lines
        if state.strip()
    }
