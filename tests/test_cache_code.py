"""What of code and configuration decides a result, and what decides nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests import paths
from tests.spec_fields import fields
from tests.studies import ROOT, planned, smoke, snakemake, write
from ttstudy.dag import todo
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.dag.specs import files as specs
from ttstudy.data.revisions import load
from ttstudy.kinds.formats import FORMATS
from ttstudy.models.catalogue import CATALOGUE
from ttstudy.study import from_mapping

CHOSEN = {"strategy", "headline", "claims", "report"}
VALUED = {"outcomes", "accuracy", "findings", "graders", "adaptive"} | CHOSEN


def _replaced(root: Path, file: str, before: str, after: str) -> None:
    text = (root / file).read_text()
    assert before in text, file
    (root / file).write_text(text.replace(before, after, 1))


OPTION = {
    "workflow/ttstudy/study/methods.py": [
        ('    score: Score = Field(default="last", description="PRM score by which', "    another: float = 0.2\n"),
        ('    scheme: Literal["absolute"', "    another: int | None = None\n"),
        ("    def of(self, method: str) -> list[int]:", "    another: BudgetList | None = None\n\n"),
    ],
    "workflow/ttstudy/kinds/engines/vllm.py": [
        ('    "tensor_parallel": Option(', '    "another": Option(type=str, default="a", about="new"),\n'),
    ],
    "workflow/ttstudy/study/sampling.py": [
        ("    top_p: float = Field(default=1.0", "    another: float = 0.0\n"),
        ("    top_p: float | None = Field(default=None", "    another: float | None = None\n"),
    ],
    "workflow/ttstudy/study/policies.py": [
        ("    sampling: SamplingChanges = Field(default", '    another: str = "x"\n'),
        ("    reasoning: bool = Field(default=False", "    another_one: bool = False\n"),
    ],
    "workflow/ttstudy/study/benchmarks.py": [("    split: Literal", "    another: bool = False\n")],
    "workflow/ttstudy/study/whole.py": [("    seed: int = Field(default=0", "    another: int = 3\n")],
    "workflow/ttstudy/dag/specs/generation.py": [
        ('    device: str = "cpu"', '    another: str = "x"\n'),
        ("    formats: dict[str, int] = {}", "    another: bool = True\n"),
    ],
}  # fmt: skip
"""A new option with its default in every class of options: before which line it is put."""


def test_a_new_option_with_a_default_plans_nothing(clone):
    for file, options in OPTION.items():
        for line, option in options:
            _replaced(clone, file, line, option + line)
    assert planned(clone, write(clone, smoke())) == {}


def test_plumbing_plans_nothing(clone):
    _replaced(clone, "workflow/ttstudy/errors.py", "make room and", "free some room and")
    _replaced(clone, "workflow/ttstudy/run/provenance.py", "timeout=20", "timeout=30")
    _replaced(clone, "workflow/ttstudy/data/columns.py", "gpus:count hours", "gpus:amount hours")
    _replaced(clone, "workflow/ttstudy/run/steps.py", "wall, {", "wall time, {")
    # What a module that computes says of a mistake.
    _replaced(clone, "workflow/ttstudy/analysis/strategy.py", "has no predicted level", "lacks a predicted level")
    _replaced(clone, "workflow/ttstudy/methods/outcomes.py", "responses in its pool, but", "responses in the pool, but")
    for path in (*clone.glob("workflow/ttstudy/**/*.py"), *clone.glob("scripts/*.py")):
        text = path.read_text()
        if text.startswith('"""'):
            path.write_text('"""Edited.' + text[3:] + "\n# a comment\n")
    assert planned(clone, write(clone, smoke())) == {}


@pytest.mark.parametrize(
    ("file", "before", "after", "rules"),
    [
        ("methods/pool.py", "NO_STEPS = -1.0", "NO_STEPS = -2.0", {"difficulty"} | VALUED),
        ("policies/vllm.py", "_CPU_CACHE = ", "_CPU_CACHE = 1 * ", set()),
        ("analysis/usage.py", '"prm_tokens_reencoded": taken', '"prm_tokens_reencoded": 1 * taken',
         {"ledger", "accuracy", "findings", "graders"} | CHOSEN),
        ("report/cells.py", "import ", "import json  # noqa\nimport ", {"report"}),
        ("prms/heads.py", "import torch", "import json  # noqa\nimport torch", set()),
    ],
    ids=["voting", "engine", "ledger", "report", "prm"],
)  # fmt: skip
def test_a_change_of_code_plans_what_computes_with_it(clone, file, before, after, rules):
    _replaced(clone, f"workflow/ttstudy/{file}", before, after)
    assert set(planned(clone, write(clone, smoke()))) == rules


def test_a_model_step_is_made_again_when_its_version_is_raised(clone):
    _replaced(clone, "workflow/ttstudy/dag/fingerprint.py", '"search": 1', '"search": 2')
    plan = planned(clone, write(clone, smoke()))
    assert plan["search"] == 8 and "sample" not in plan and "score" not in plan


# -- formats, lengths, fields ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_formats_version_moves_the_scores_of_its_prms_and_of_no_other(form, tmp_path, monkeypatch):
    prms = {name.replace("/", "__"): {"source": "hub", "id": name, "revision": "1" * 40} for name in CATALOGUE}
    known = {name.replace("/", "__"): item.format for name, item in CATALOGUE.items()}
    for name, architecture in (("of-config", "Qwen2ForPrmModel"), ("named", "LlamaForCausalLM")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"architectures": [architecture]}))
        (tmp_path / name / "model.safetensors").write_bytes(b"x")
        prms[name] = {"source": "checkpoint", "path": name}
    prms["named"]["format"] = "math_shepherd"
    known |= {"of-config": "skywork", "named": "math_shepherd"}
    trained = yaml.safe_load((ROOT / "config.yaml").read_text())
    for name, prm in trained["prms"].items():
        prms[name], known[name] = prm, prm["definition"]["model"]["format"]
    config = trained | {"prms": prms, "pairs": None, "budgets": {"best_of_n": [4], "beam_search": [4]}}

    def folders() -> dict[str, tuple[str, str]]:
        layout = open_layout(from_mapping(config), tmp_path)
        return {
            prm: (
                paths.scores(layout, "arithmetic", "mini-20k", prm),
                paths.search_folder(layout, "arithmetic", "mini-20k", prm, "beam_search"),
            )
            for prm in prms
        }

    before = folders()
    monkeypatch.setitem(FORMATS, form, replace(FORMATS[form], version=99))
    after = folders()
    for prm in prms:
        moved = [one != two for one, two in zip(before[prm], after[prm], strict=True)]
        assert moved == [known[prm] == form] * 2, prm


def test_a_prm_whose_format_is_not_known_before_it_is_fetched_moves_with_each(tmp_path, monkeypatch):
    config = smoke(prms={"own": {"source": "hub", "id": "me/my-prm", "revision": "1" * 40}})

    def path() -> str:
        return paths.scores(open_layout(from_mapping(config), tmp_path), "sums", "smoke-8k", "own")

    before = path()
    monkeypatch.setitem(FORMATS, "skywork", replace(FORMATS["skywork"], version=7))
    assert path() != before


def test_command_lines_stay_short_however_large_the_study(tmp_path):
    hub = {"source": "hub", "revision": "0" * 40}
    config = {
        "study": "large",
        "benchmarks": {f"benchmark-{n}": hub | {"id": f"owner/data-{n}"} for n in range(20)},
        "policies": {f"policy-{n}": hub | {"id": f"owner/policy-{n}"} for n in range(15)},
        "prms": {f"prm-{n}": hub | {"id": f"owner/prm-{n}", "format": "qwen"} for n in range(6)},
        "budgets": {"majority": [64], "best_of_n": [64]},
    }
    layout = open_layout(from_mapping(config), tmp_path)
    left = todo.left(layout)
    assert len(left) == len(jobs(layout)) > 4_000
    longest = max(left, key=lambda item: len(specs.text(item.job.spec)))
    assert len(specs.text(longest.job.spec)) > 131_072  # more than an argument may be long
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for line in path.read_text().splitlines():
            if "$SCRIPTS/" in line and ".py" in line:
                # A path of a file, of a log, a number: nothing that grows with the study.
                told = line.replace("{params.spec:q}", "").replace("{log:q}", "").replace("{resources.devices}", "")
                told = told.replace("{params.shards}", "")
                assert "{" not in told.replace("{params.study:q}", "").replace("{params.output:q}", ""), line
    commands = {
        job.spec.product: f"python scripts/launch.py 8 python scripts/{job.spec.step}.py "
        f"--spec {specs.place('results', job.spec)} --log results/logs/{job.rule}/{job.spec.product}"
        for job in jobs(layout)
    }
    assert max(map(len, commands.values())) < 8_000


def test_the_shell_commands_of_a_study_are_short(clone):
    changed = write(clone, smoke(seed=9), "changed.yaml")
    output = snakemake(clone, changed, "--dry-run", "--printshellcmds", "--quiet", "host")
    commands = [line for line in output.splitlines() if "scripts/" in line or "$SCRIPTS" in line]
    assert len(commands) > 40 and max(map(len, commands)) < 600
    assert all("--spec results/specs/" in line for line in commands)


def test_every_field_that_decides_is_there_on_purpose():
    """A field that gets into a digest, or a default that changes, moves what was made before: say so here as well."""
    recorded = json.loads((ROOT / "tests/spec_fields.json").read_text())
    assert fields() == recorded, (
        "a field of a spec, or a default, has changed: results made before would move, or be taken for others. Give a "
        "new field a default that means what was before; to change a default, raise the step's number in "
        "fingerprint.VERSIONS. Then run `python tests/spec_fields.py`"
    )


def test_the_studies_of_the_repository_can_be_laid_out():
    for path in (ROOT / "workflow/studies").glob("*.yaml"):
        # two read files of one's own
        if path.stem not in ("recorded", "laptop") and not path.stem.endswith(".revisions"):
            every = jobs(open_layout(load(path), ROOT))
            products = {item for job in every for item in job.spec.outputs.values()}
            assert len({job.spec.product for job in every}) == len(every)
            assert all(file.given or file.path in products for job in every for file in job.spec.inputs)
