"""Policies and PRMs on running vLLM servers: the tokens and scores of vLLM in this process, and one server for many."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import vllm_work
from tests.endpoint import KEY, free_port, serve
from tests.rewards_checkpoints import LAYOUTS, Shelf
from tests.rewards_conformance import CLOSE, gap
from tests.studies import smoke
from tests.vllm_session import POLICY
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.dag.specs.generation import Engine, Judge
from ttstudy.errors import StudyError
from ttstudy.methods.options import Options
from ttstudy.methods.run import run
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.padding import pad_heads
from ttstudy.policies.opening import open_engine, open_policy
from ttstudy.policies.protocol import Request, Sampling
from ttstudy.prms import open_prm, open_reward_model
from ttstudy.prms.serving import command, served_folder
from ttstudy.run import demand
from ttstudy.run.rehearsal.loopback import running
from ttstudy.study import from_mapping
from ttstudy.study.models import POLICY_OPTIONS, PRM_OPTIONS

FORMATS = ["qwen", "rlhflow"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("checkpoints"), wide=True)


@pytest.fixture(scope="module")
def policy(vllm, tmp_path_factory) -> dict:
    """Options of a served policy."""
    folder = tmp_path_factory.mktemp("server")
    padded = pad_heads(POLICY, folder / "padded", 32)
    with pytest.MonkeyPatch.context() as patch, serve(vllm, padded, folder / "log") as port:
        patch.setenv("SERVER", f"http://127.0.0.1:{port}/v1")
        patch.setenv("SERVER_KEY", KEY)
        yield {"url": "$SERVER", "key_variable": "SERVER_KEY"}


@pytest.fixture(scope="module", params=FORMATS)
def prm(vllm, shelf, tmp_path_factory, request):
    """A format's name, the PRM's folder, and options of its server, started as `ttstudy.prms.serving` says."""
    folder = shelf.folder(request.param)
    words = command(folder, cache=tmp_path_factory.mktemp("served"))
    place, options = Path(words[2]), [*words[3:], "--served-model-name", "mini"]
    at = options.index("--port")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVER_KEY", KEY)
        with serve(vllm, place, tmp_path_factory.mktemp("log") / "log", *options[:at], *options[at + 2 :]) as port:
            yield request.param, folder, {"url": f"http://127.0.0.1:{port}", "key_variable": "SERVER_KEY"}


def test_a_served_policy_draws_the_tokens_of_vllm_in_a_process_of_ones_own(policy, found):
    engine = open_engine(POLICY, "served", **policy)
    assert [engine.parameters, engine.context] == found["shape"][:2]
    for theirs, mine in zip(vllm_work.greedy(engine), found["greedy"], strict=True):
        for key in ("ids", "text", "finish", "prompt_tokens"):
            assert list(theirs[key]) == mine[key] if key == "ids" else theirs[key] == mine[key]
        assert theirs["logprobs"] == pytest.approx(mine["logprobs"], abs=1e-4)
        assert theirs["peaks"] == (mine["peaks"] and pytest.approx(mine["peaks"], rel=1e-3))
    few = vllm_work.sampled(engine, vllm_work.PROBLEMS, 5)
    assert few == [texts[:5] for texts in found["sampled"]]
    assert "served at http://127.0.0.1" in engine.running.engine and KEY not in str(engine.running)


def test_a_served_prm_gives_the_scores_of_the_transformers_engine(prm, shelf):
    name, folder, options = prm
    theirs = open_reward_model(folder, LAYOUTS[name].format, "served", **options)
    ours = open_reward_model(folder, LAYOUTS[name].format, device="cpu")
    assert theirs.parameters == ours.parameters
    expected = ours.score_batch(shelf.solutions)
    assert max(gap(*pair) for pair in zip(theirs.score_batch(shelf.solutions), expected, strict=True)) < CLOSE
    problem, steps = shelf.solutions[0]
    found = theirs.score_last(problem, steps[:-1], [steps[-1], "Another step.", steps[-1]])
    assert gap(found, ours.score_last(problem, steps[:-1], [steps[-1], "Another step.", steps[-1]])) < CLOSE
    assert 0 < theirs.tokens < theirs.tokens_reencoded


def test_two_searches_share_the_servers_and_each_gives_what_it_gives_alone(policy, prm):
    name, folder, options = prm
    engine = Engine(kind="served", dtype="float32", served=POLICY_OPTIONS["served"](**policy))
    form = LAYOUTS[name].format
    judge = Judge(
        checkpoint={"path": str(folder / "config.json"), "digest": "x"}, format=form, engine="served",
        served=PRM_OPTIONS["served"](**options),
    )  # fmt: skip

    def search(seed: int):
        drawing, scoring = open_policy(POLICY, engine), open_prm(folder, judge)
        items = [(text, f"Compute {text}.", drawing.encode_chat(vllm_work.chat(text))) for text in vllm_work.PROBLEMS]
        found = run(items, drawing, scoring, Options(method="beam_search", budget=8, max_step_tokens=60), [seed])
        assert found.counters.prm_tokens < found.counters.prm_tokens_reencoded
        return found.nodes[["text", "tokens", "kept"]].values.tolist()

    with ThreadPoolExecutor() as pool:
        together = list(pool.map(search, [1, 2]))
    assert together == [search(1), search(2)] and together[0] != together[1]


def test_a_server_that_is_down_or_serves_something_else_is_one_sentence(policy, monkeypatch):
    def said(**changes) -> str:
        with pytest.raises(StudyError) as caught:
            open_engine(POLICY, "served", **(policy | changes))
        assert KEY not in str(caught.value) and "\n" not in str(caught.value)
        return str(caught.value)

    assert "no vLLM server answers" in said(url=f"http://127.0.0.1:{free_port()}")
    assert "has no 'other' but mini" in said(model="other")
    assert "refuses the key" in said(key_variable=None)
    assert "a context of 256 tokens, not 1024" in said(max_model_len=1024)
    monkeypatch.delenv("SERVER")
    assert "the environment variable SERVER is not set" in said()


class Odd(BaseHTTPRequestHandler):
    """A server that lists a model and answers every request with the same text."""

    answer: str

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send({"/v1/models": '{"data": [{"id": "mini", "max_model_len": 256}]}'}.get(self.path, '{"version": "0"}'))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send(self.answer)

    def send(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


ODD = [
    "", "{", "[]", "null", '"words"', "{}", '{"choices": null}', '{"choices": []}', '{"choices": [[]]}',
    '{"choices": [{"text": "5", "finish_reason": "stop"}]}',
    '{"choices": [{"token_ids": "5", "logprobs": {"token_logprobs": []}, "finish_reason": "length"}]}',
    '{"choices": [{"token_ids": [5], "logprobs": {"token_logprobs": []}, "finish_reason": "length"}]}',
    '{"choices": [{"token_ids": [5], "logprobs": null, "finish_reason": "length"}]}',
    '{"choices": [{"token_ids": [5], "logprobs": {"token_logprobs": [-1]}, "finish_reason": "stop"}]}',
    '{"data": [{"index": 0}]}', '{"data": [{"index": 0, "data": "é"}]}', '{"data": [{"index": 0, "data": "AAA="}]}',
]  # fmt: skip


@pytest.mark.parametrize("answer", ODD)
def test_an_answer_of_another_shape_is_no_answer_and_one_sentence(shelf, answer):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (Odd,), {"answer": answer}))
    with running(server):
        options = {"url": f"http://127.0.0.1:{server.server_port}", "attempts": 1}
        engine = open_engine(POLICY, "served", **options)
        with pytest.raises(StudyError, match=r"^served\.url: no vLLM server answers .*run again$"):
            engine.generate([Request((1, 9), Sampling(max_tokens=1))])
        judge = open_reward_model(shelf.folder("qwen"), LAYOUTS["qwen"].format, "served", **options)
        with pytest.raises(StudyError, match=r"^served\.url: no vLLM server answers .*run again$"):
            judge.score_batch([("1+1", ["2"])])


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_prms_server_gets_its_backbone_and_nothing_of_its_head(shelf, tmp_path, name):
    folder = served_folder(shelf.folder(name), tmp_path)
    laid, whole = Checkpoint(folder), Checkpoint(shelf.folder(name))
    assert laid.keys() == {key for key in whole.keys() if key.startswith("model.") or key == "lm_head.weight"}
    assert json.loads((folder / "config.json").read_text())["architectures"][0].endswith("ForCausalLM")
    assert served_folder(shelf.folder(name), tmp_path) == folder


def served(**options) -> dict:
    config = copy.deepcopy(smoke())
    for section, model in (("policies", "smoke-8k"), ("prms", "smoke-good")):
        config[section][model] |= {"engine": "served", "served": {"url": "http://node7:8000"} | options}
    return config


def test_a_job_of_served_models_takes_no_gpu_and_no_memory_for_weights():
    config = served()
    config["policies"]["large"] = {
        "source": "hub", "id": "x/Large-70B", "engine": "served", "served": {"url": "$SERVER"}
    }  # fmt: skip
    study = from_mapping(config)
    wanted = demand.of_job(study, "large", "smoke-good")
    assert wanted.gpus == 0 and wanted.memory_gb == demand.of_job(study, "smoke-8k", "smoke-good").memory_gb
    layout = open_layout(study)
    job = next(job for job in jobs(layout) if job.rule == "sample" and job.of.cell.policy == "large")
    # Of models on servers nothing is planned: a job may take as long as any.
    assert demand.of_work(layout, job, wanted).hours == pytest.approx(study.max_job_hours, abs=0.2)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"url": None}, "needs the address of the server"),
        ({"url": "http://user:word@node7"}, "without user, key or path"),
        ({"url": "node7:8000"}, "must be \\$NAME or an address"),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_study(options, words):
    with pytest.raises(StudyError, match=words):
        from_mapping(served(**options))
