"""What becomes of a cluster's job: by its state, its step's note and Slurm's refusal; and which keys it gets."""

from __future__ import annotations

import errno
import os

import pytest

from tests.studies import smoke
from ttstudy.errors import Ending, HeldError, StudyError, ending
from ttstudy.run import endings, keys, refused
from ttstudy.run.endings import GONE, HELD, Move, Note
from ttstudy.study import from_mapping

NOTES = {
    None: None,
    "mistake": Note(Ending.MISTAKE, "x.yaml: no such key"),
    "memory": Note(Ending.MEMORY, "out of memory"),
    "held": Note(Ending.HELD, "held by process 1 on node2"),
    "machine": Note(Ending.MACHINE, "No space left on device"),
    "defect": Note(None, "KeyError: 'x'"),
}


@pytest.mark.parametrize(
    ("state", "note", "move"),
    [
        ("PENDING", None, Move.WAIT),
        ("RUNNING", "mistake", Move.WAIT),
        ("SUSPENDED", None, Move.WAIT),
        ("REQUEUED", None, Move.WAIT),
        ("COMPLETED", None, Move.DONE),
        ("PREEMPTED", None, Move.AGAIN),
        ("NODE_FAIL", None, Move.AGAIN),
        ("BOOT_FAIL", None, Move.AGAIN),
        ("CANCELLED", None, Move.AGAIN),
        (GONE, None, Move.AGAIN),
        (HELD, None, Move.AGAIN),
        (GONE, "mistake", Move.STOP),
        ("TIMEOUT", None, Move.MORE),
        ("DEADLINE", None, Move.MORE),
        ("OUT_OF_MEMORY", None, Move.MORE),
        ("FAILED", None, Move.MORE),
        ("FAILED", "memory", Move.MORE),
        ("FAILED", "mistake", Move.STOP),
        ("FAILED", "held", Move.AGAIN),
        ("FAILED", "machine", Move.AGAIN),
        ("FAILED", "defect", Move.AGAIN),
    ],
)
def test_each_end_has_its_rule(state, note, move):
    found = endings.rule(state, NOTES[note])
    assert found.move is move
    if note is not None and move is not Move.WAIT:
        assert NOTES[note].words in found.words


def test_nothing_is_submitted_again_for_ever_and_pauses_grow():
    lost = endings.rule("NODE_FAIL", None)
    moves = [endings.bounded(lost, times) for times in range(21)]
    assert [rule.move for rule, _ in moves] == [Move.AGAIN] * 20 + [Move.STOP]
    assert [pause for _, pause in moves[:8]] == [15, 30, 60, 120, 240, 480, 900, 900]
    assert endings.bounded(endings.rule("PREEMPTED", None), 9)[1] == 0
    by_hand = endings.rule("CANCELLED", None)
    assert [endings.bounded(by_hand, times)[0].move for times in (0, 1)] == [Move.AGAIN, Move.STOP]


def test_a_steps_status_tells_what_to_do():
    assert ending(StudyError("x")) == 1 and ending(HeldError("x")) == 73
    assert ending(MemoryError()) == ending(RuntimeError("CUDA out of memory")) == 71
    assert ending(OSError(errno.ENOSPC, "full")) == 74 and ending(OSError(errno.EACCES, "no right")) == 1


def test_a_note_is_left_in_a_clusters_job_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    endings.note(1, "said")
    monkeypatch.setenv(endings.NOTES, str(tmp_path))
    assert endings.read(tmp_path, "7") is None
    endings.note(1, "said\nmore")
    assert endings.read(tmp_path, "7") == Note(1, "said\\nmore")
    endings.forget(tmp_path, "7")
    assert not os.listdir(tmp_path)


REFUSALS = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    ("said", "others", "waits"),
    [
        ("Unable to contact slurm controller (connect failure)", False, True),
        ("Socket timed out on send/recv operation", False, True),
        ("Required partition not available (inactive or drain)", False, True),
        ("Slurm temporarily unable to accept job, sleeping and retrying", False, True),
        ("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", True, True),
        # With no job of ours there, no limit on their number can be why.
        ("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", False, False),
        ("a site's plugin says no", True, False),
        ('Munge encode failed: Failed to access "/run/munge/munge.socket.2": No such file or directory\n'
         "sbatch: error: Protocol authentication error", False, True),
        ("unable to status file /etc/slurm/slurm.conf: No such file or directory, retrying", False, True),
        ("Unable to contact slurm controller", False, True),
    ],
)
def test_a_refusal_for_now_waits_longer_and_longer_and_any_other_not_for_ever(said, others, waits):
    patience = refused.Patience(lambda: others)
    pauses = [patience.after(REFUSALS + said)[0] for _ in range(30)]
    first = [pause for pause in pauses if pause is not None]
    assert first[:4] == [5, 10, 20, 40] and max(first) == 300
    assert (None not in pauses) is waits


@pytest.mark.parametrize(
    "said",
    [
        "Invalid account or account/partition combination specified",
        "invalid partition specified: gpus",
        "Requested node configuration is not available",
        "Memory specification can not be satisfied",
        "Requested time limit is invalid (missing or exceeds some limit)",
        "Invalid qos specification",
        "QOSMaxWallDurationPerJobLimit: Job violates accounting/QOS policy",
        "Memory required by task is not available",
        "User's group not permitted to use this partition",
        "More processors requested than permitted",
        "Requested nodes not in this partition",
        "Access denied to requested reservation",
        "invalid partition specified: controller-gpu",
    ],
)
def test_a_refusal_for_good_is_told_at_once(said):
    assert refused.Patience(lambda: True).after(REFUSALS + said) == (None, f"Batch job submission failed: {said}")


@pytest.mark.parametrize(
    ("state", "reason", "held"),
    [
        ("PENDING", "launch failed requeued held", True),
        ("PENDING", "launch_failed_requeued_held", True),
        ("PENDING", "JobHoldMaxRequeue", True),
        ("REQUEUE_HOLD", "", True),
        ("SPECIAL_EXIT", "", True),
        ("PENDING", "JobHeldUser", False),  # somebody means it
        ("PENDING", "Priority", False),
        ("RUNNING", "None", False),
    ],
)
def test_a_job_that_slurm_holds_for_ever_is_known_whatever_its_words(state, reason, held):
    assert (endings.seen(state, reason) == endings.HELD) is held


def test_a_note_that_says_nothing_of_use_is_none(tmp_path):
    (tmp_path / "ended-7.json").write_text('{"status": [1], "words": "x"}')
    assert endings.read(tmp_path, "7") is None


def test_what_names_a_place_is_kept_and_a_key_of_an_endpoint_is_no_stores():
    there = {
        "PROJECT_KEY": "deepscale", "PATH": "/work/deepscale/bin:/usr/bin", "PYTHONPATH": "/work/deepscale/lib",
        "LD_LIBRARY_PATH": "/work/deepscale", "HOME": "/home/deepscale", "COPY": "deepscale",
    }  # fmt: skip
    assert set(keys.without(there, [], [])) == set(there) - {"PROJECT_KEY", "COPY"}
    names = ("AZURE_OPENAI_API_KEY", "GOOGLE_API_KEY", "AZURE_STORAGE_KEY", "AWS_SESSION_TOKEN")
    named = {name: f"key-number-{number}" for number, name in enumerate(names)}
    kept = keys.without(named, ["AZURE_OPENAI_API_KEY"], [], storage=True)
    assert set(kept) == {"AZURE_STORAGE_KEY", "AWS_SESSION_TOKEN"}
    told = ("PGPASSWORD", "DB_PASS", "GITHUB_PAT", "OPENAI_API_KEYS", "OPENAIKEY_API_KEY", "GH_TOKEN_2")
    harmless = ("KEYBOARD", "HF_TOKENIZER", "MAX_TOKENS_LIMIT", "COMPASS", "SSH_AUTH_SOCK", "TOKENIZERS_PARALLELISM")
    assert set(keys.without(dict.fromkeys((*told, *harmless), "x"), [], [])) == set(harmless)


ENDPOINT = {"source": "openai", "model": "m", "key_variable": "MY_SITE", "base_url": "http://127.0.0.1:1"}


def test_a_job_gets_the_key_that_it_asks_with_and_no_other():
    policies = smoke()["policies"] | {"far": ENDPOINT, "other": ENDPOINT | {"key_variable": "OTHER_SITE"}}
    study = from_mapping(smoke(policies=policies))
    assert keys.of_study(study) == {"MY_SITE", "OTHER_SITE"}
    assert keys.of_job(study, "ask", {"policy": "far"}) == {"MY_SITE"}
    assert not keys.of_job(study, "grade", {"policy": "far"}) | keys.of_job(study, "sample", {"policy": "smoke-8k"})
    there = {
        "PATH": "/bin", "MY_SITE": "key-of-mine", "OTHER_SITE": "key-of-others", "HF_TOKEN": "hf_abcdefgh",
        "HUGGING_FACE_HUB_TOKEN": "hf_abcdefgh", "OPENAI_API_KEY": "sk-abcdefgh", "WANDB_API_KEY": "1",
        "COPY": "x=hf_abcdefgh",
        "AWS_SECRET_ACCESS_KEY": "secret-of-aws", "DB_PASSWORD": "password", "TTSTUDY_RUN": "1",
        "TOKENIZERS_PARALLELISM": "1",
    }  # fmt: skip
    plain = {"PATH", "TTSTUDY_RUN", "TOKENIZERS_PARALLELISM"}
    known = keys.of_study(study)
    assert set(keys.without(there, known, set())) == plain
    assert set(keys.without(there, known, {"MY_SITE"})) == plain | {"MY_SITE"}
    assert set(keys.without(there, known, set(), storage=True)) == plain | {"AWS_SECRET_ACCESS_KEY"}
