from __future__ import annotations

import inspect
import re
from pathlib import PurePosixPath

import pytest

from asrcli.backends.ctranslate2.check import WHISPER
from asrcli.backends.funasr.model_types import FUNASR_TYPES
from asrcli.backends.qwen.check import OPTIONS as QWEN_OPTIONS
from asrcli.model_names import synonyms
from asrcli.models.archive import is_archive
from asrcli.models.entry import ModelEntry, entry_to_dict, parse_entry
from asrcli.models.mirrors import hubs_of
from asrcli.models.registry import Registry

# Types that are not recognisers: the parameters of sherpa-onnx's configuration objects.
OTHER = {
    "silero_vad": {"model"},
    "pyannote": {"model"},
    "speaker_embedding": {"model"},
    "ct_transformer": {"ct_transformer"},
    "cnn_bilstm": {"cnn_bilstm", "bpe_vocab"},
}
FACTORY = {"nemo_transducer": "transducer", "canary": "nemo_canary"}


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[ModelEntry]:
    return [e for e in Registry(tmp_path_factory.mktemp("root")).entries() if e.source == "catalogue"]


def test_it_is_large_and_covers_every_kind(entries: list[ModelEntry]) -> None:
    kinds = [entry.kind for entry in entries]
    assert len(entries) > 60
    assert kinds.count("asr") > 45
    assert set(kinds) == {"asr", "streaming", "vad", "punctuation", "segmentation", "embedding", "language-id"}


def test_files_are_the_parameters_of_the_engines_factories(entries: list[ModelEntry]) -> None:
    """A renamed or misspelt parameter would end the engine process; so it is compared with the installed engine."""
    import sherpa_onnx

    for entry in entries:
        if entry.type in OTHER:
            assert set(entry.files) == OTHER[entry.type], entry.name
            continue
        if entry.type in FUNASR_TYPES:
            assert {"config", "model"} <= set(entry.files), entry.name
            assert set(entry.options) <= FUNASR_TYPES[entry.type].options, entry.name
            continue
        if entry.type == WHISPER:
            assert {"model", "config", "tokenizer", "vocabulary"} == set(entry.files), entry.name
            assert not entry.options
            continue
        if entry.type == "qwen_asr":
            assert {"config", "model"} == set(entry.files), entry.name
            assert set(entry.options) <= set(QWEN_OPTIONS), entry.name
            continue
        if entry.kind == "language-id":  # takes the two graphs of a Whisper alone
            assert set(entry.files) == {"encoder", "decoder"}, entry.name
            continue
        online = entry.type.startswith("online_")
        owner = sherpa_onnx.OnlineRecognizer if online else sherpa_onnx.OfflineRecognizer
        type_ = entry.type.removeprefix("online_")
        parameters = inspect.signature(getattr(owner, f"from_{FACTORY.get(type_, type_)}")).parameters
        needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty}
        assert set(entry.files) == needed, entry.name
        assert set(entry.options) <= set(parameters), entry.name
        assert (entry.kind == "streaming") == online, entry.name


def test_every_offline_factory_of_the_engine_has_a_model_or_is_a_toy(entries: list[ModelEntry]) -> None:
    import sherpa_onnx

    factories = {name.removeprefix("from_") for name in dir(sherpa_onnx.OfflineRecognizer) if name.startswith("from_")}
    types = {FACTORY.get(entry.type, entry.type) for entry in entries}
    assert factories - types == {"tdnn_ctc"}  # has two words


def test_addresses_and_sums_are_well_formed(entries: list[ModelEntry]) -> None:
    for entry in entries:
        url, sum_ = entry.download.url, entry.download.sha256
        if entry.name == "voxceleb-thin-resnet":
            assert url is None  # no one publishes the file
            continue
        if entry.type in {*FUNASR_TYPES, WHISPER, "qwen_asr"}:
            assert url is None, entry.name
            assert hubs_of(entry), entry.name
            assert all(re.fullmatch(r"[0-9a-f]{64}", held) for held in entry.download.sums.values()), entry.name
            assert set(entry.download.sums) <= set(entry.required), entry.name
            continue
        assert url.startswith("https://github.com/k2-fsa/sherpa-onnx/releases/download/"), entry.name
        assert sum_ is None or re.fullmatch(r"[0-9a-f]{64}", sum_), entry.name
        assert is_archive(url) or len(entry.required) == 1, entry.name
        if is_archive(url):
            assert entry.download.archive_subdir == PurePosixPath(url).name.removesuffix(".tar.bz2"), entry.name


def test_one_address_has_one_sum_and_one_folder(entries: list[ModelEntry]) -> None:
    seen: dict[str, tuple[str | None, str]] = {}
    for entry in entries:
        if entry.download.url:
            held = (entry.download.sha256, entry.dir)
            assert seen.setdefault(entry.download.url, held) == held, entry.name


def test_everything_is_said_of_every_model(entries: list[ModelEntry]) -> None:
    for entry in entries:
        assert entry.licence, entry.name
        assert entry.size, entry.name
        assert 5 <= entry.window <= 60, entry.name
        assert all(not PurePosixPath(name).is_absolute() and ".." not in name for name in entry.required), entry.name
        assert (entry.cluster_threshold is not None) == (entry.kind == "embedding"), entry.name
        assert entry.type != "whisper" or entry.window <= 30, entry.name


def test_every_model_of_funasr_s_toolkit_fits_its_type(entries: list[ModelEntry]) -> None:
    toolkit = [entry for entry in entries if entry.type in FUNASR_TYPES]
    assert {entry.type for entry in toolkit} == set(FUNASR_TYPES)
    for entry in toolkit:
        row = FUNASR_TYPES[entry.type]
        known = set(row.languages or row.language_names)
        assert not known or set(entry.languages) <= known, entry.name


def test_languages_are_codes(entries: list[ModelEntry]) -> None:
    for entry in entries:
        assert all(re.fullmatch(r"[a-z]{2,3}", code) for code in entry.languages), entry.name
        assert len(set(entry.languages)) == len(entry.languages), entry.name


def test_entries_survive_their_yaml_form(entries: list[ModelEntry]) -> None:
    for entry in entries:
        assert parse_entry(entry.name, entry_to_dict(entry), where="test", source="catalogue") == entry


def test_the_models_the_documentation_promises(entries: list[ModelEntry]) -> None:
    names = {entry.name for entry in entries}
    assert names >= {
        "sensevoice-small", "sensevoice-small-2025", "paraformer-zh", "paraformer-zh-small", "paraformer-trilingual",
        "paraformer-en", "whisper-tiny", "whisper-large-v3", "whisper-turbo", "zipformer-en", "zipformer-zh-en",
        "sensevoice-funasr-nano", "parakeet-tdt-0.6b-v2", "parakeet-tdt-0.6b-v3", "parakeet-unified-en",
        "moonshine-base-ja", "fire-red-asr2",
        "dolphin-base", "canary-180m-flash", "omnilingual-300m", "qwen3-asr-0.6b", "funasr-nano", "silero-vad",
        "ct-punc-zh-en", "pyannote-segmentation-3-0", "campplus-zh-en", "eres2net-base-zh",
        "streaming-paraformer-zh-en", "streaming-zipformer-en", "streaming-nemotron-multi",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Systran/faster-whisper-small", "faster-whisper-small"),
        ("mobiuslabsgmbh/faster-whisper-large-v3-turbo", "faster-whisper-large-v3-turbo"),
        ("deepdml/faster-whisper-large-v3-turbo-ct2", "faster-whisper-large-v3-turbo"),
        ("Systran/faster-distil-whisper-large-v3", "faster-distil-whisper-large-v3"),
        ("Systran/faster-whisper-large-v2", "faster-whisper-large-v2"),
        ("Systran/faster-distil-whisper-large-v2", "faster-distil-whisper-large-v2"),
        ("distil-whisper/distil-large-v3.5-ct2", "whisper-distil-large-v3.5"),
        ("large-v3", "whisper-large-v3"),
        ("openai/whisper-small", "whisper-small"),
    ],
)
def test_names_of_whisper_models_in_other_programs(entries: list[ModelEntry], name: str, model: str) -> None:
    found = synonyms(name)

    assert found[0] == model
    assert len(found) == 2  # one for each engine
    assert set(found) <= {entry.name for entry in entries}


@pytest.mark.parametrize("size", ["0.6b", "1.7b"])
def test_qwen3_asr_of_the_hub(entries: list[ModelEntry], size: str) -> None:
    entry = next(entry for entry in entries if entry.name == f"qwen3-asr-{size}-torch")
    assert entry.name in synonyms(f"Qwen/Qwen3-ASR-{size.upper()}")
    assert set(synonyms("qwen3-asr-1.7b")) <= {entry.name for entry in entries}
    assert {"config.json", "tokenizer_config.json", "preprocessor_config.json", entry.files["model"]} <= set(
        entry.required
    )


@pytest.mark.parametrize("name", ["UsefulSensors/moonshine-base", "moonshine/base"])
def test_moonshine_is_not_taken_for_whisper(name: str) -> None:
    assert synonyms(name) == ("moonshine-base-en",)
