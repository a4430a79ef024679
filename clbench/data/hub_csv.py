"""CSV files on the hub: what stands in them is read as it stands there.

``datasets`` has pandas read them, which takes "NA", "None", "null" and some more words for nothing, in every column.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from clbench.errors import UserError

# What pandas takes for nothing unless it is told otherwise.
_NOTHING = [
    "", " ", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip
_WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")


def load_dataset(path: str, config: str | None, revision: str | None, wanted: Sequence[str]) -> Any:
    """A set's splits, as ``datasets.load_dataset`` has them, but of CSV files the wanted columns as text.

    Args:
        path: the set's id, or a folder.
        config, revision: as ``datasets`` has them.
        wanted: the columns that are read, of one or more texts, and of labels.

    Raises:
        Exception: whatever ``datasets.load_dataset`` raises.
    """
    builder = _builder(path, config, revision, wanted)
    builder.download_and_prepare()
    return builder.as_dataset()


def _builder(path: str, config: str | None, revision: str | None, wanted: Sequence[str]) -> Any:
    import datasets

    opened = partial(datasets.load_dataset_builder, path, revision=revision)
    # What is prepared this way has a name of its own in the cache: what others left there has lost the words.
    mark = {"as_text": hashlib.sha256("\0".join(wanted).encode()).hexdigest()[:16]}
    try:
        usual = opened(config)
    except ValueError as error:
        if not str(error).startswith("Couldn't find cache"):
            raise
        return opened(_named_in_cache(path, config, mark), **mark)
    if usual.info.builder_name != "csv":
        return usual
    if not hasattr(usual.config, "keep_default_na"):  # from the cache, without the network
        try:
            return opened(_named_in_cache(path, config, mark), **mark)
        except ValueError as error:
            raise UserError(
                f"{path}: what lies in the cache of datasets was read by another program or an earlier clbench, which "
                "takes words such as NA for nothing; fetch it once with the network."
            ) from error
    name = datasets.BuilderConfig(usual.config.name).create_config_id(mark)
    return opened(config, config_id=name, **_options(usual.config, wanted))


def _options(config: Any, wanted: Sequence[str]) -> dict[str, Any]:
    """How pandas has to read the wanted columns as text, and every other as ever: a column of numbers with holes has to
    remain one of numbers, since pandas reads, and guesses, 10,000 rows at a time."""
    *texts, label = wanted
    others = {column: _NOTHING for column in _columns(config) if column not in wanted}
    converters = {**dict.fromkeys(texts, str), label: _label}
    return {"keep_default_na": False, "na_values": others, "converters": converters}


def _columns(config: Any) -> list[str]:
    """The names of the columns; none where the file is damaged, which is told when all of it is read."""
    import datasets
    import pandas

    first = next(iter(config.data_files.values()))[0]
    manager = datasets.DownloadManager()
    how = config.pd_read_csv_kwargs | {"chunksize": None, "nrows": 0}
    try:
        file = next(iter(manager.iter_files(manager.download_and_extract(first))))
        return [str(column) for column in pandas.read_csv(file, **how).columns]
    except (OSError, EOFError, ValueError):
        return []


def _label(text: str) -> str | float:
    """A label as it stands, a whole number without its point: with it, it would not go into a column of whole numbers,
    which the set's card may ask for. NaN for nothing."""
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text or math.nan


def _named_in_cache(path: str, config: str | None, mark: dict[str, str]) -> str | None:
    """The configuration; where none is asked for, the only one that the cache has of the set."""
    import datasets
    from datasets.naming import camelcase_to_snakecase

    if config is not None:
        return config
    *owner, name = path.split("/")
    folder = Path(datasets.config.HF_DATASETS_CACHE, "___".join([*owner, camelcase_to_snakecase(name)]))
    ending = datasets.BuilderConfig().create_config_id(mark).removeprefix("default")
    names = [one.name.removesuffix(ending) for one in folder.glob(f"*{ending}")]
    return names[0] if len(names) == 1 else None
