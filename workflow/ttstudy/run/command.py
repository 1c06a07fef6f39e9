"""The command `ttstudy`: every thing that is done with a study, from any folder. See `ttstudy --help`.

Exit status: 0 where all went well, 1 where something failed or is missing, 2 where the command was not understood.
Snakemake and the steps run as processes of their own, so that a start costs nothing that it does not use.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ttstudy.dag.fingerprint import ROOT, SCRIPTS
from ttstudy.run.telling import told

PROFILES = ROOT / "workflow" / "profiles"
OWN = "config.yaml"
"""A study's file where none is named: the folder's own, else the miniature's."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Work is shared out by process: two threads on two busy cores are slower than one."""

_study = click.argument("study", required=False, type=click.Path(dir_okay=False))
_cores = click.option("--cores", type=click.IntRange(1), default=lambda: os.cpu_count() or 1, help="Jobs at one time.")
_more = click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)


def _file(study: str | None) -> str:
    """The study's file that is meant."""
    path = Path(study or OWN)
    if study is None and not path.exists():
        path = ROOT / OWN
    if not path.is_file():
        raise click.UsageError(f"{path}: there is no such file; `ttstudy init` writes a study")
    return str(path)


def _call(command: Sequence[str]) -> None:
    """Run a process in the place of this one's work; what ends this one ends that one first, in its own order."""
    ended_by: list[int] = []
    process = subprocess.Popen(command, env=ONE_THREAD | dict(os.environ))

    def end(number: int, _frame: object) -> None:
        ended_by.append(number)
        if number != signal.SIGINT:  # a terminal's Ctrl-C goes to both
            process.send_signal(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    status = process.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    if status:
        sys.exit(128 + ended_by[0] if ended_by else 1)


def _script(name: str, *arguments: str) -> None:
    _call([sys.executable, str(SCRIPTS / f"{name}.py"), *arguments])


def _snakemake(profile: str, *arguments: str) -> None:
    """Snakemake over our rules, in the folder that we are in; `profile`: a name of ours, or a folder."""
    place = PROFILES / profile if (PROFILES / profile).is_dir() else Path(profile)
    if not (place / "config.yaml").is_file():
        names = ", ".join(sorted(path.name for path in PROFILES.iterdir()))
        raise click.UsageError(f"--profile {profile}: is no folder with a config.yaml; ours are {names}")
    _call(
        [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--profile", str(place), *arguments]
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ttstudy")
def main() -> None:
    """A study of test-time scaling, from checkpoints to a report.

    STUDY is a study's file; without one, config.yaml of this folder, else the miniature study that ships.
    """


@main.command(context_settings={"ignore_unknown_options": True})
@_study
@_cores
@click.option("--profile", default="default", help="default, gpu, slurm, or a folder of your own.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would run and because of what, without running it.")
@_more
def run(study: str | None, cores: int, profile: str, dry_run: bool, snakemake: tuple[str, ...]) -> None:
    """Run a study to its report; what is there already is not made again. Other options are Snakemake's."""
    if study is not None and study.startswith("-"):  # no file is named: Snakemake's options come first
        snakemake, study = (study, *snakemake), None
        if named := next((one for one in snakemake if one.endswith((".yaml", ".yml")) and Path(one).is_file()), None):
            raise click.UsageError(f"{named}: a study's file stands before options of Snakemake's")
    path = _file(study)
    if dry_run:
        _script("changes", path)
    options = [*(["--dry-run"] if dry_run else []), *(["--cores", str(cores)] if profile != "slurm" else [])]
    _snakemake(profile, "--configfile", path, *options, *snakemake)
    if not dry_run:
        _script("where", path)


@main.command()
@_study
def plan(study: str | None) -> None:
    """Say what a run will cost: jobs, tokens, GPU-hours, days, disk."""
    _snakemake("default", "plan", "--cores", "1", "--configfile", _file(study))


@main.command()
@_study
def check(study: str | None) -> None:
    """Say what this machine has, and what the study lacks here. Status 1 where something is missing."""
    _script("doctor", _file(study))


@main.command()
def doctor() -> None:
    """Say what this machine has: Python, driver, GPUs, disk, vLLM, Slurm. Status 1 where something is missing."""
    _script("doctor")


@main.command()
@_study
def fetch(study: str | None) -> None:
    """Fetch a study's models and data sets from the hub, at their pinned commits."""
    _snakemake("default", "fetch", "--cores", "1", "--configfile", _file(study))


@main.command()
@_study
@click.option("--problem", help="The problem to ask; else 2 + 2.")
def prompts(study: str | None, problem: str | None) -> None:
    """Print what every policy is asked with: chat, text of its template, token ids."""
    _script("prompts", _file(study), *(["--problem", problem] if problem else []))


@main.command()
@_study
@click.option("--gpus", default="8x80", show_default=True, help="The box at full size: so many GPUs x so many GB.")
@_cores
def rehearse(study: str | None, gpus: str, cores: int) -> None:
    """Run all of a study's DAG in minutes with tiny stand-ins: what would fail at full size?"""
    _script("rehearse", _file(study), "--gpus", gpus, "--cores", str(cores))


@main.command()
@click.argument("study", required=False, type=click.Path(exists=True))
@click.option("--port", type=click.IntRange(1, 65535), help="Port of this machine's loopback; else a free one.")
@click.option("--open", "shown", is_flag=True, help="Open the browser too.")
def view(study: str | None, port: int | None, shown: bool) -> None:
    """Look at every problem, response and search tree in a browser. STUDY may be its folder in results/studies."""
    more = [*(["--port", str(port)] if port else []), *(["--open"] if shown else [])]
    _script("view", study or _file(None), *more)


@main.command()
@click.argument("baseline", type=click.Path(exists=True, file_okay=False))
@click.argument("candidate", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
def compare(baseline: str, candidate: tuple[str, ...]) -> None:
    """Compare finished studies (folders in results/studies) in one page."""
    named = [f"baseline={baseline}", f"candidate={','.join(candidate)}"]
    _snakemake("default", "compare", "--cores", "1", "--config", *named)


@main.command()
@click.argument("into", type=click.Path(dir_okay=False), default="study.yaml")
@click.option("--policy", "policies", multiple=True, help="Of the hub (owner/name), a folder, file.gguf or address.")
@click.option("--model", help="The model's name at an address (--policy http://...).")
@click.option("--prm", "prms", multiple=True, help="A PRM: of the hub (owner/name), or a folder.")
@click.option("--benchmark", help="A file of problems; else word problems that no model has seen.")
@click.option("--largest", type=click.IntRange(1), default=16, show_default=True, help="The largest N.")
def init(
    into: str, policies: tuple[str, ...], model: str | None, prms: tuple[str, ...], benchmark: str | None, largest: int
) -> None:
    """Write a commented study to INTO. What no option tells is asked for."""
    from ttstudy.run.drafts import Wanted, draft

    asked = "Policy (owner/name of the hub, a checkpoint's folder, a file.gguf, or http://...)"
    policies = policies or _asked(asked, "--policy")
    path = Path(into)
    if model is None and (far := next((one for one in policies if one.startswith(("http://", "https://"))), None)):
        raise click.UsageError(f"--policy {far}: is an address; name the model there with --model")
    if not path.parent.is_dir():
        raise click.UsageError(f"{path.parent}: there is no such folder")
    if path.exists():
        raise click.UsageError(f"{into}: is there already; name another file")
    wanted = Wanted(path.stem, policies, model, prms, benchmark, largest, path.parent)
    told(lambda: path.write_text(draft(wanted), "utf-8"))
    click.echo(f"{into}: written. Next: ttstudy check {into}, ttstudy plan {into}, ttstudy run {into}")


def _asked(question: str, option: str) -> tuple[str, ...]:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{option}: is missing")
    return (str(click.prompt(question)),)


if __name__ == "__main__":
    main(prog_name="ttstudy")
