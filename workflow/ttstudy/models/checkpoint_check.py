"""Whether a checkpoint folder is one that a study can open, before anything runs.

Apart from `ttstudy.models.checkpoints`, which every step reads: that a PRM's format is known here shall make no step
depend on how PRMs are read.
"""

from __future__ import annotations

from pathlib import Path

from ttstudy.errors import StudyError
from ttstudy.models.catalogue import format_of
from ttstudy.models.checkpoints import parameters, read_json

_JUDGES = ("ProcessRewardModel", "PrmModel", "RewardModel", "SequenceClassification", "TokenClassification")
"""How the architectures end that score text and draw none."""


def check(folder: Path, key: str, kind: str, format: str | None = None) -> None:
    """StudyError, beginning with `key`, where a folder is no checkpoint of a `policy` or a `prm` that we can open.

    Reads headers and JSON only. `format` is the PRM's, None where config.json is to tell it.
    """
    try:
        config = read_json(folder / "config.json")
        if not isinstance(config.get("model_type"), str):
            raise StudyError(f"{folder / 'config.json'}: names no model_type; give a Hugging Face checkpoint folder")
        for index in sorted(folder.glob("*.safetensors.index.json")):
            shards = read_json(index).get("weight_map")
            shards = sorted({str(name) for name in shards.values()}) if isinstance(shards, dict) else []
            lost = next((name for name in shards if Path(name).name != name or not (folder / name).is_file()), None)
            if lost or not shards:
                raise StudyError(f"{index}: names {lost or 'no file'}, which is not in the folder; download it again")
        if not parameters(folder):
            raise StudyError(f"{folder}: its safetensors files hold no weights; copy or download it again")
        if not (folder / "tokenizer.json").is_file():
            raise StudyError(f"{folder}: holds no tokenizer.json; save the tokenizer there")
        read_json(folder / "tokenizer.json")
        names = config.get("architectures") or [""]
        if not isinstance(names, list) or not isinstance(names[0], str):
            raise StudyError(f"{folder / 'config.json'}: architectures is not a list of names; download it again")
        architecture = names[0]
        if kind == "policy" and architecture.endswith(_JUDGES):
            raise StudyError(f"{folder}: is a reward model ({architecture}), not a policy; name it under prms")
        if kind == "prm" and format is None:
            format_of(str(folder), config)
    except ValueError as error:  # StudyError is one
        raise StudyError(f"{key}: {error}") from None
    except OSError as error:
        raise StudyError(f"{key}: {error.filename} cannot be read ({error.strerror})") from None
