"""A site's file from what Slurm says: of recorded words, and of a real Slurm, which then takes jobs by it."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml

from tests import slurm_cluster
from tests.studies import ROOT, environment
from ttstudy.errors import StudyError
from ttstudy.run import demand, slurm_site
from ttstudy.run.demand import Demand

SINFO = """\
batch|up|120|(null)|192000|64|2-00:00:00
debug|up|2|(null)|192000|64|30:00
old|down|4|gpu:v100:4|384000|40|1-00:00:00
gpu|up|10|gpu:a100:4(S:0-1)|512000+|64|1-00:00:00
gpu|up|3|gpu:h100:8,shard:8|1031000|96|1-00:00:00
long|up|1|gpu:2|256000|32|infinite
"""


def test_a_sites_file_has_the_partitions_gpus_and_limits_that_slurm_tells(tmp_path):
    text = slurm_site.file(slurm_site.nodes(SINFO), ["lab", "course"])
    (tmp_path / "site.yaml").write_text(text)
    site = demand.read_site(tmp_path / "site.yaml")
    assert (site.cpu_partition, site.gpu_partition, site.account) == ("batch", "gpu", "lab")
    assert (site.gpu_model, site.gpus_per_node, site.cpus_per_gpu, site.longest_hours) == ("a100", 4, 8, 24)
    others = ("3 nodes of 1031 GB and 96 cores, 8 h100 each", "there are: a100, h100", "no time limit", "also: course")
    assert all(words in text for words in others)
    assert "v100" not in text
    alone = yaml.safe_load(slurm_site.file(slurm_site.nodes(SINFO.splitlines()[0])))
    assert (alone["gpu_partition"], alone["longest_hours"], alone["gpu_model"]) == (None, 48, None)
    with pytest.raises(StudyError, match="no partition takes jobs"):
        slurm_site.file([])


def test_numbers_that_are_names_and_lines_that_tell_nothing_are_read_as_what_they_are(tmp_path):
    said = """
gpu|up|10|gpu:3090:8|512000+|64|1-00:00:00
gpu|up|2|gpu:1g.10gb:7(S:0)|512000|64|1-00:00:00
cloud|up|4|(null)|N/A|N/A|infinite
cut|up|1K
"""
    found = slurm_site.nodes(said)
    assert [(one.gpu_model, one.gpus) for one in found] == [("3090", 8), ("1g.10gb", 7)]
    (tmp_path / "site.yaml").write_text(slurm_site.file(found, ["00123"]))
    site = demand.read_site(tmp_path / "site.yaml")
    assert (site.account, site.gpu_model, site.gpus_per_node) == ("00123", "3090", 8)


@pytest.mark.parametrize(
    ("limit", "hours"), [("infinite", None), ("30:00", 0.5), ("12:00:00", 12), ("7-01:30:00", 169.5)]
)
def test_a_time_limit_is_read_in_hours(limit, hours):
    assert slurm_site.hours(limit) == hours


@pytest.mark.skipif(slurm_cluster.missing() is not None, reason=f"Slurm: {slurm_cluster.missing()}")
def test_a_real_slurm_tells_a_sites_file_and_gives_jobs_their_gpus_by_it_in_both_ways(tmp_path, monkeypatch):
    with slurm_cluster.running(tmp_path / "cluster") as cluster:
        command = [sys.executable, str(ROOT / "scripts/doctor.py"), "--site"]
        env = environment() | cluster.environment | {"PYTHONPATH": str(ROOT / "workflow")}
        text = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
        (tmp_path / "site.yaml").write_text(text)
        site = demand.read_site(tmp_path / "site.yaml")
        assert (site.cpu_partition, site.gpu_partition) == ("cpu", "gpu") or site.gpu_partition == "cpu"
        assert (site.gpus_per_node, site.longest_hours) == (2, 24)
        monkeypatch.syspath_prepend(str(slurm_cluster.PLUGIN))
        from snakemake_executor_plugin_slurm import submit_string, utils

        for way in ("gpus", "gres"):
            mine = site._replace(gpu_request=way, gpu_model="fake", extra=("--no-requeue",))
            asked = demand.slurm(Demand(2, 1, 0.5), mine)
            named = {name: asked[name] for name in mine.resources(of_models=True)}
            job = SimpleNamespace(resources=_Resources(named), threads=1)
            told = {"run_uuid": "x", "slurm_logfile": f"{tmp_path}/{way}", "comment_str": way, "workdir": str(tmp_path)}
            told |= {"account": "", "partition": f"-p {asked['slurm_partition']}"}
            line = submit_string.get_submit_command(job, told) + utils.set_gres_string(job)
            assert ("--gres=gpu:fake:2" in line, "--gpus=fake:2" in line) == (way == "gres", way == "gpus")
            subprocess.run(f"{line} --wrap 'echo got $CUDA_VISIBLE_DEVICES'", shell=True, env=env, check=True)
        cluster.wait_for("both jobs", lambda: [job[1] for job in cluster.jobs()] == ["COMPLETED"] * 2)
        assert all((tmp_path / way).read_text() == "got 0,1\n" for way in ("gpus", "gres"))


class _Resources(dict):
    """Resources of a job as the plugin reads them."""

    __getattr__ = dict.get
