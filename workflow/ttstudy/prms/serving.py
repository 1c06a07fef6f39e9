"""How a PRM's vLLM server is started: lays its backbone out without the head, and says the command.

    python -m ttstudy.prms.serving FOLDER [--port 8001]

vLLM's own classes load these backbones with `--convert embed`; of weights that are none of the backbone's they want to
know nothing. Files without such weights are linked, not copied.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file

from ttstudy.errors import StudyError
from ttstudy.kinds.formats import LM_KEY
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.prms.vllm import link_tokenizer

CLASSES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM"}
"""vLLM's class of a backbone, by model_type."""


def served_folder(folder: str | Path, cache: str | Path | None = None) -> Path:
    """The folder that a server of this PRM is started with: `served/` in its own, or in `cache`; made once.

    StudyError for a family that is not known here.
    """
    checkpoint = Checkpoint(folder)
    kind = str(checkpoint.config.get("model_type"))
    if kind not in CLASSES:
        raise StudyError(f"{folder}: a PRM of model_type {kind!r} is not served; known are {', '.join(CLASSES)}")
    target = Path(cache or checkpoint.folder) / "served"
    if not (target / "config.json").is_file():
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        index: dict[str, str] = {}
        prefix = checkpoint.backbone_prefix()
        for number, file in enumerate(checkpoint.files):
            with safe_open(file, framework="pt") as stream:
                names = list(stream.keys())
                kept = [name for name in names if name == LM_KEY or name.startswith(prefix or "")]
                if not prefix:
                    kept = [name for name in kept if not name.startswith(("score.", "v_head."))]
                shard = f"part-{number:02d}.safetensors"
                if kept == names:
                    (partial / shard).symlink_to(Path(file).resolve())
                elif kept:
                    save_file({name: stream.get_tensor(name) for name in kept}, partial / shard)
                index |= dict.fromkeys(kept, shard)
        told = {"metadata": {}, "weight_map": index}
        (partial / "model.safetensors.index.json").write_text(json.dumps(told), encoding="utf-8")
        config = {key: value for key, value in checkpoint.config.items() if key != "auto_map"}
        link_tokenizer(checkpoint.folder, partial)
        (partial / "config.json").write_text(json.dumps(config | {"architectures": [CLASSES[kind]]}), encoding="utf-8")
        try:
            partial.replace(target)
        except OSError:
            if not (target / "config.json").is_file():
                raise
            shutil.rmtree(partial)  # another was quicker
    checkpoint.close()
    return target


def command(folder: str | Path, port: int = 8001, cache: str | Path | None = None) -> list[str]:
    """The command that serves a PRM, its longest solution the model's context."""
    place = served_folder(folder, cache)
    options: dict[str, Any] = {
        "--served-model-name": Path(folder).name,
        "--port": port,
        "--runner": "pooling",
        "--convert": "embed",
        "--pooler-config": json.dumps({"task": "embed", "seq_pooling_type": "LAST", "use_activation": False}),
    }
    words = [word for key, value in options.items() for word in (key, str(value))]
    return ["vllm", "serve", str(place), *words, "--enable-prefix-caching"]


def main() -> None:
    """Lay out and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8001)
    args = parser.parse_args()
    print(shlex.join(command(args.folder.resolve(), args.port)))


if __name__ == "__main__":
    main()
