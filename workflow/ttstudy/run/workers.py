"""How a job finds a worker (`ttstudy.run.worker`): a process that keeps the models of the job before it.

Workers listen on sockets in a folder of this user's, which holds nothing else. A socket's name tells the run that the
worker serves and, as a digest, all that a job must share with it: code, Python, environment, working folder, number of
GPUs and models. A worker ends with its run, when it has long been idle, and when another job needs its GPUs. One that
dies takes its job's process with it and no result: the job goes on alone, from its parts.

Loaded by every job's launcher, so nothing heavy is imported here.
"""

from __future__ import annotations

import array
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from ttstudy.run import gpus

SWITCH, OWNER, IDLE, GRACE = "TTSTUDY_WORKERS", "TTSTUDY_OWNER", "TTSTUDY_WORKER_IDLE", "TTSTUDY_WORKER_GRACE"
"""Environment variables: 0 turns workers off; the Snakemake that started the job; seconds after which an idle worker
ends; seconds that it keeps its GPUs from others for its own next job."""
STEPS = ("sample", "score", "search")
MODELS = ("policy", "engine", "judge")
"""Fields of a spec that tell the models that its step opens, and what opens them."""
LIGHT = "light"
"""What is told of the models of steps that open none."""
SMALL = 2**28
"""Bytes of weights up to which models are loaded into whatever worker is free: only its start is worth saving."""
_VOLATILE = ("_", "SHLVL", "PWD", "OLDPWD", gpus.ASKED)
"""Variables that differ from job to job and that no step reads, but for the last, which is told apart."""
_SOURCE = Path(__file__).resolve().parents[3]
MESSAGE = 1 << 16
"""Bytes of a message at most."""


def models(spec: Mapping[str, Any]) -> str | None:
    """What tells the models of a spec, as its file has it, from all others; None of a step that opens none."""
    opened = {name: spec[name] for name in MODELS if name in spec}
    return json.dumps(opened, sort_keys=True) if "engine" in opened or "judge" in opened else None


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether a job may be handed to a worker: on Slurm, where a job has an allocation of its own, if it is told to."""
    chosen = environment.get(SWITCH) or ("0" if "SLURM_JOB_ID" in environment else "1")
    return chosen != "0" and OWNER in environment and sys.platform == "linux"


def run(count: int, command: Sequence[str]) -> int | None:
    """Exit status of a command that a worker ran on `count` GPUs; None where none can: the caller runs it itself."""
    if not wanted(os.environ):
        return None
    try:
        script = Path(command[1])
        spec = json.loads(Path(command[command.index("--spec") + 1]).read_text(encoding="utf-8"))["spec"]
        told = models(spec)
        where = _folder()
    except (IndexError, ValueError, KeyError, TypeError, OSError):
        return None  # the step says what is wrong with it
    if script.stem not in STEPS or told is None or where is None:
        return None
    small = count == 0 and _small(spec)
    return _handed(where, _key(count, None if small else told), count, command)


def run_light(command: Sequence[str]) -> int | None:
    """Exit status of a step that opens no model and that a worker ran; None where none can.

    Each such job is a process of its own, begun as a copy of its worker, which has nothing but libraries loaded.
    """
    where = _folder() if wanted(os.environ) else None
    return None if where is None else _handed(where, _key(0, LIGHT), 0, command, light=True)


def _handed(where: Path, key: str, count: int, command: Sequence[str], light: bool = False) -> int | None:
    """What a worker of this key says of a command: one that is idle, or a new one when its GPUs are free."""
    while True:
        for place in where.glob(f"{_run()}-{key}-*"):
            if (connection := _asked(place, {"do": "job", "command": command[1:]}, (1, 2))) is not None:
                return _status(connection, place.name)
        if (taken := gpus.attempt(count)) is not None:
            return _status(_started(where, key, taken, count, command, light), "started for it")
        give_way()
        time.sleep(0.2)


def end() -> None:
    """End the workers of this run, and wait until they are gone."""
    where = _folder()
    for place in [] if where is None else list(where.glob(f"{_run()}-*")):
        if (connection := _asked(place, {"do": "end"})) is not None:
            _gone(connection)


def give_way() -> None:
    """Ask the worker of this user's that holds GPUs and has been idle longest to end, so that another has them."""
    where, grace = _folder(), float(os.environ.get(GRACE) or 3)
    found: list[tuple[float, Path]] = []
    for place in [] if where is None else list(where.iterdir()):
        if (connection := _asked(place, {"do": "tell"})) is not None:
            with connection, suppress(OSError, ValueError):
                told = json.loads(connection.recv(MESSAGE))
                if told["idle"] >= grace and told["gpus"]:
                    found.append((told["idle"], place))
    if found and (connection := _asked(max(found)[1], {"do": "leave", "idle": grace})) is not None:
        _gone(connection)


def fingerprint() -> str:
    """What tells this code from any other: names, sizes and times of its files."""
    found = sorted([*(_SOURCE / "workflow" / "ttstudy").rglob("*.py"), *(_SOURCE / "scripts").glob("*.py")])
    told = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in found]
    return sha256(repr(told).encode()).hexdigest()


# -- what a worker and a job share ------------------------------------------------------------------------------------


def _run() -> str:
    """Twelve characters of the Snakemake process that started this job."""
    return sha256(f"{os.environ.get('TTSTUDY_RUN')} {os.environ.get(OWNER)}".encode()).hexdigest()[:12]


def _key(count: int, told: str | None) -> str:
    """Sixteen characters of all that a job must share with its worker."""
    environment = sorted((name, value) for name, value in os.environ.items() if name not in _VOLATILE)
    shared = [count, told, fingerprint(), sys.executable, os.getcwd(), environment]
    return sha256(json.dumps(shared).encode()).hexdigest()[:16]


def _small(spec: Mapping[str, Any]) -> bool:
    """Whether a job's models are small and run in this Python, so that a worker may change them."""
    judge = spec.get("judge") or {}
    if {"vllm"} & {(spec.get("engine") or {}).get("kind"), judge.get("engine")}:
        return False
    paths = [file["path"] for file in (spec.get("policy"), judge.get("checkpoint")) if file]
    files = [file for path in paths for file in Path(path).parent.glob("*.safetensors")]
    return bool(files) and sum(file.stat().st_size for file in files) <= SMALL


def _folder() -> Path | None:
    """This user's folder of sockets; None where it cannot be had for this user alone."""
    folder = Path(tempfile.gettempdir()) / f"ttstudy-workers-{os.getuid()}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        known = folder.lstat()
        if stat.S_ISDIR(known.st_mode) and known.st_uid == os.getuid() and not known.st_mode & 0o077:
            return folder
    return None


# -- talking to a worker ----------------------------------------------------------------------------------------------


@contextmanager
def address(place: Path) -> Iterator[str]:
    """A socket's address: by its folder's descriptor, since an address has 107 bytes at most."""
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{place.name}"
    finally:
        os.close(folder)


def _asked(place: Path, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> socket.socket | None:
    """The connection to a worker that took a message; None where it is gone, or will not. A dead one's name goes."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(20)
    try:
        with address(place) as known:
            connection.connect(known)
        send(connection, message, descriptors)
        if json.loads(connection.recv(MESSAGE))["taken"]:
            connection.settimeout(None)
            return connection
    except ConnectionRefusedError:
        place.unlink(missing_ok=True)
    except (OSError, ValueError):
        pass
    connection.close()
    return None


def send(connection: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """One message, and open files with it."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    connection.sendmsg([json.dumps(message).encode()], rights)


def _gone(connection: socket.socket) -> None:
    """Wait until a worker that leaves has ended."""
    with connection, suppress(OSError):
        connection.settimeout(60)
        connection.recv(1)  # nothing comes


def _started(
    where: Path, key: str, taken: gpus.Taken, count: int, command: Sequence[str], light: bool
) -> socket.socket:
    """The connection to a new worker, which has its GPUs' locks and this job."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    visible = {} if taken.devices is None else {"CUDA_VISIBLE_DEVICES": taken.devices}
    locks = list(taken.locks)
    place = str(where / f"{_run()}-{key}")
    given = {"place": place, "locks": locks, "socket": there.fileno(), "gpus": count, "light": light}
    process = subprocess.Popen(
        [sys.executable, str(_SOURCE / "scripts" / "worker.py"), json.dumps(given | {"command": command[1:]})],
        env=os.environ | visible | {gpus.ASKED: str(count)},
        stdin=subprocess.DEVNULL,
        pass_fds=[there.fileno(), *locks],
    )
    process.returncode = 0  # it stays when this process is gone
    for each in locks:
        os.close(each)
    there.close()
    send(here, {"do": "job", "command": command[1:]}, (1, 2))
    return here


def _status(connection: socket.socket, worker: str) -> int | None:
    """The exit status that a worker tells at the end of a job; None, and a sentence, where it dies before."""
    with connection:
        try:
            while told := json.loads(connection.recv(MESSAGE) or b"null"):
                if "status" in told:
                    return None if told["status"] is None else int(told["status"])
        except (OSError, ValueError):
            pass
    print(
        f"warning: this job's worker ({worker}) died; the job goes on as a process of its own, from the parts on disk",
        file=sys.stderr,
    )
    return None
