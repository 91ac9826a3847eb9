"""What is said of a folder before the toolkit sees it, which would go on in silence. Needs no torch."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asrcli.backends import registry
from asrcli.backends.checks import backend_notices, check_model, check_request, languages_of, model_type, window_of
from asrcli.backends.funasr.folder import read_folder
from asrcli.backends.funasr.model_types import FUNASR_TYPES, type_of_class
from asrcli.backends.funasr.nano_vllm import arguments, check_code
from asrcli.backends.funasr.recognizer import hotwords_file
from asrcli.backends.registry import backend_of
from asrcli.backends.types import ModelSpec
from asrcli.backends.vllm.options import has_vllm, record_limits
from asrcli.errors import LanguageNotSupportedError, MissingExtraError, ModelError, OptionNotSupportedError, UsageError
from asrcli.models.detect import detect
from asrcli.models.registry import Registry
from asrcli.options import Hotword, RecognitionOptions


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """As if the toolkit were installed, whether it is or not; what is missing is tested by name."""
    missing: set[str] = set()
    monkeypatch.setattr(registry, "_FOUND", set())
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name in missing else name)
    return missing


def spec_of(folder: Path, type_: str, **fields: Any) -> ModelSpec:
    files = {"config": folder / "config.yaml", "model": folder / "model.pt"}
    return ModelSpec(name="m", type=type_, files=files, **fields)


# -- folders -----------------------------------------------------------------------------------------------------------


def test_both_forms_of_a_folder_are_read(write_folder: Callable[..., Path]) -> None:
    named = read_folder(write_folder("SenseVoiceSmall", bpemodel="x.model"))
    assert (named.class_name, {key: path.name for key, path in named.files.items()}) == (
        "SenseVoiceSmall",
        {"config": "config.yaml", "model": "model.pt", "bpemodel": "x.model"},
    )
    plain = write_folder("Paraformer", configuration=False)
    (plain / "tokens.json").write_text("[]")
    assert set(read_folder(plain).files) == {"config", "model", "token_list"}


def test_nested_names_are_distinguished(tmp_path: Path) -> None:
    metas = {"config": "c.yaml", "llm_conf": {"init_param_path": "Qwen"}, "tokenizer_conf": {"init_param_path": "Tok"}}
    (tmp_path / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    (tmp_path / "c.yaml").write_text("model: FunASRNano")
    assert {key: path.name for key, path in read_folder(tmp_path).files.items()} == {
        "config": "c.yaml", "llm": "Qwen", "tokenizer": "Tok", "model": "model.pt",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [("configuration.json", "{"), ("config.yaml", "a: [1"), ("config.yaml", b"\xff\xfe")]
)
def test_a_damaged_description_is_reported(write_folder: Callable[..., Path], name: str, text: str | bytes) -> None:
    folder = write_folder("SenseVoiceSmall")
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError, match=name):
        read_folder(folder)


@pytest.mark.parametrize("text", ["", "a: 1", "- 1", "model: [1]"])
def test_a_config_of_something_else_is_no_model(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert read_folder(tmp_path) is None


@pytest.mark.parametrize(
    ("class_name", "type_"), [(name, t) for t, row in FUNASR_TYPES.items() for name in row.classes]
)
def test_the_type_is_detected_from_the_folder(write_folder: Callable[..., Path], class_name: str, type_: str) -> None:
    assert type_of_class(class_name) == type_
    found, files = detect(write_folder(class_name))
    assert (found, backend_of(found).kind) == (type_, "funasr")
    assert {"config", "model"} <= set(files)


def test_other_folders_of_the_toolkit_are_named_for_what_they_are(write_folder: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="FsmnVADStreaming"):
        detect(write_folder("FsmnVADStreaming"))


def test_a_file_that_the_configuration_names_is_missed(write_folder: Callable[..., Path]) -> None:
    folder = write_folder("SenseVoiceSmall", bpemodel="x.model")
    (folder / "x.model").unlink()
    with pytest.raises(ModelError, match=r"x\.model"):
        detect(folder)


def test_an_export_to_onnx_is_not_taken_for_the_toolkit_s(write_folder: Callable[..., Path]) -> None:
    folder = write_folder("Paraformer")
    (folder / "model.pt").unlink()
    (folder / "model.onnx").write_bytes(b"")
    (folder / "tokens.txt").write_text("a 0\n")
    assert detect(folder.rename(folder.with_name("my-paraformer")))[0] == "paraformer"


def test_the_registry_resolves_a_folder_and_an_entry(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_folder("SeacoParaformer")
    registry = Registry(tmp_path / "models", tmp_path / "models.yaml", cache_dir=tmp_path / "cache")
    (tmp_path / "models.yaml").write_text(
        f"models:\n  mine:\n    type: funasr_seaco_paraformer\n    dir: {folder}\n"
        "    files: {config: config.yaml, model: model.pt}\n    options: {device: cpu}\n"
    )
    assert registry.resolve(str(folder)).type == "funasr_seaco_paraformer"
    mine = registry.resolve("mine")
    assert (mine.files["config"], mine.options) == (folder / "config.yaml", {"device": "cpu"})
    assert registry.resolve(backend="funasr").name == "mine"
    with pytest.raises(UsageError, match="sherpa-onnx does not run"):
        registry.resolve("mine", backend="sherpa-onnx")


# -- checks ------------------------------------------------------------------------------------------------------------


def test_a_model_of_another_class_is_refused(write_folder: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="holds a Paraformer"):
        check_model(spec_of(write_folder("Paraformer"), "funasr_sense_voice"))


def test_missing_and_empty_files_are_refused(write_folder: Callable[..., Path]) -> None:
    folder = write_folder("SenseVoiceSmall", bpemodel="x.model")
    spec = spec_of(folder, "funasr_sense_voice")
    check_model(spec)
    (folder / "x.model").write_text("")
    with pytest.raises(ModelError, match=r"x\.model is empty"):
        check_model(spec)
    (folder / "x.model").unlink()
    with pytest.raises(ModelError, match=r"x\.model is missing"):
        check_model(spec)
    (folder / "config.yaml").unlink()
    with pytest.raises(ModelError, match=r"config\.yaml is missing"):
        check_model(spec)


@pytest.mark.parametrize(
    "options",
    [
        {"device": "gpu"}, {"device": "cuda:x"}, {"batch_size": 0}, {"batch_size": "4"}, {"num_threads": True},
        {"fp16": "off"}, {"use_itn": "no"}, {"trust_remote_code": True}, {"vad_model": "fsmn-vad"}, {"hub": "hf"},
    ],
)  # fmt: skip
def test_options_that_there_are_not_are_refused(write_folder: Callable[..., Path], options: dict[str, Any]) -> None:
    spec = spec_of(write_folder("SenseVoiceSmall"), "funasr_sense_voice", options=options)
    with pytest.raises(OptionNotSupportedError):
        check_model(spec)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "mps"])
def test_devices_are_allowed(write_folder: Callable[..., Path], device: str) -> None:
    check_model(
        spec_of(write_folder("SenseVoiceSmall"), "funasr_sense_voice", options={"device": device, "batch_size": 8})
    )


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"funasr"}, r"\[funasr\]"),
        ({"torch"}, "pip install torch"),
        ({"torchaudio", "kaldi_native_fbank"}, "pip install kaldi-native-fbank"),
    ],
)
def test_what_is_not_installed_is_named_with_the_command(
    write_folder: Callable[..., Path], packages: set[Any], lacking: set[str], said: str
) -> None:
    packages |= lacking
    with pytest.raises(MissingExtraError, match=said):
        check_model(spec_of(write_folder("SenseVoiceSmall"), "funasr_sense_voice"))


def test_languages_are_the_model_s(write_folder: Callable[..., Path]) -> None:
    spec = spec_of(write_folder("SenseVoiceSmall"), "funasr_sense_voice")
    assert languages_of(spec) == ("zh", "en", "ja", "ko", "yue")
    check_request(spec, RecognitionOptions(language="ko"))
    check_request(spec, RecognitionOptions())
    with pytest.raises(LanguageNotSupportedError, match="'de'"):
        check_request(spec, RecognitionOptions(language="de"))
    nano = spec_of(write_folder("FunASRNano"), "funasr_fun_asr_nano", languages=("zh", "en"))
    assert (languages_of(nano), window_of(nano)) == (("zh", "en"), 30.0)


def test_who_takes_hotwords_and_context(write_folder: Callable[..., Path]) -> None:
    word = RecognitionOptions(hotwords=(Hotword(text="do"),))
    context = RecognitionOptions(prompt="about music")
    sense = spec_of(write_folder("SenseVoiceSmall"), "funasr_sense_voice")
    nano = spec_of(write_folder("FunASRNano"), "funasr_fun_asr_nano")
    check_request(nano, word)
    check_request(nano, context)
    for request in (word, context):
        with pytest.raises(OptionNotSupportedError):
            check_request(sense, request)
    assert (model_type(sense).hotwords, model_type(nano).hotwords) == ("none", "prompt")


def test_seaco_s_hotwords_must_be_spelled(write_folder: Callable[..., Path]) -> None:
    folder = write_folder("SeacoParaformer")
    spec = spec_of(folder, "funasr_seaco_paraformer")

    def ask(text: str) -> None:
        check_request(spec, RecognitionOptions(hotwords=(Hotword(text=text),)))

    with pytest.raises(OptionNotSupportedError, match="seg_dict"):
        ask("阿里")
    (folder / "seg_dict").write_text("阿 阿\n里 里\nopen op@@ en\n\n", encoding="utf-8")
    ask("阿里")
    ask("OPEN 阿里")
    for text in ("鱼", "阿鱼", "open sesame", "http://x", "a.txt"):
        with pytest.raises(OptionNotSupportedError, match="cannot spell"):
            ask(text)
    (folder / "seg_dict").write_text("鱼 鱼\n", encoding="utf-8")
    ask("鱼")  # a file that changed is read again


def test_hotwords_reach_seaco_one_phrase_a_line() -> None:
    with hotwords_file(["machine learning", "std::vector", "http://localhost/x.txt", "高"]) as argument:
        path = Path(argument["hotword"])
        assert path.suffix == ".txt"
        assert path.read_text().splitlines() == ["machine learning", "std::vector", "http://localhost/x.txt", "高"]
    assert not path.exists()
    with hotwords_file([]) as argument:
        assert argument == {}


# -- vLLM --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("engine", "onnx"), ("max_num_seqs", 0), ("gpu_memory_utilization", 1.5), ("device", "mps")]
)
def test_options_of_vllm_are_checked(write_folder: Callable[..., Path], name: str, value: Any) -> None:
    options = {"engine": "vllm", name: value}
    with pytest.raises(
        OptionNotSupportedError, match=r"vLLM does not run on mps" if name == "device" else f"{name} must be"
    ):
        check_model(spec_of(write_folder("FunASRNano"), "funasr_fun_asr_nano", options=options))


@pytest.mark.skipif(has_vllm(), reason="vLLM is installed")
def test_torch_is_used_where_vllm_is_not_installed(write_folder: Callable[..., Path]) -> None:
    spec = spec_of(write_folder("FunASRNano"), "funasr_fun_asr_nano", options={"engine": "vllm"})
    check_model(spec)
    (notice,) = backend_notices(spec)
    assert "vLLM is not installed" in notice


def test_code_of_the_folder_is_refused(write_folder: Callable[..., Path]) -> None:
    """FunASR would let vLLM run it."""
    folder = write_folder("FunASRNano")
    (folder / "Qwen3-0.6B").mkdir()
    (folder / "Qwen3-0.6B" / "config.json").write_text('{"auto_map": {"AutoModel": "code.py"}}')
    with pytest.raises(ModelError, match="names code"):
        check_code(spec_of(folder, "funasr_fun_asr_nano"))


def test_an_answer_is_cut_short_where_vllm_reports_it() -> None:
    """Its text may have fewer tokens: FunASR removes spaces and tags."""

    def generate(reasons: list[str], **_options: object) -> list[SimpleNamespace]:
        outputs = [SimpleNamespace(text="", finish_reason=reason) for reason in reasons]
        return [SimpleNamespace(outputs=[output]) for output in outputs]

    llm = SimpleNamespace(generate=generate)
    limits = record_limits(llm)
    assert len(llm.generate(["stop", "length"], use_tqdm=False)) == 2
    llm.generate(["length"])
    assert limits == [False, True, True]


def test_arguments_are_those_of_funasrs_class_for_vllm(write_folder: Callable[..., Path]) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    nano = pytest.importorskip("funasr.models.fun_asr_nano.inference_vllm", exc_type=ImportError)
    vllm = pytest.importorskip("funasr.auto.auto_model_vllm", exc_type=ImportError)
    options = {"engine": "vllm", "max_num_seqs": 8, "gpu_memory_utilization": 0.5}
    spec = spec_of(write_folder("FunASRNano"), "funasr_fun_asr_nano", options=options)
    given = arguments(spec, "cuda", bf16=True)
    named = inspect.signature(vllm.AutoModelVLLM).parameters
    assert {"model", "device", "dtype", "gpu_memory_utilization"} == set(given) - {"vllm_kwargs"} <= set(named)
    assert "self.vllm_engine.generate(" in inspect.getsource(nano.FunASRNanoVLLM.generate)
    assert '"vllm_kwargs"' in inspect.getsource(nano.FunASRNanoVLLM.__init__)
    assert {"language", "hotwords", "itn", "max_new_tokens"} <= set(
        inspect.signature(nano.FunASRNanoVLLM.generate).parameters
    )
