"""What clients send to the WebSocket protocols and to the Wyoming port, as JSON Schema: in `/openapi.json` under
`x-websockets` and `x-wyoming`, and for tests.

Frames are text; between the first and the last of them, binary frames hold audio.
"""

from typing import Any

_TEXT, _FLAG, _WHOLE, _NUMBER = ({"type": kind} for kind in ("string", "boolean", "integer", "number"))
_HEADER: dict[str, Any] = dict.fromkeys(("namespace", "name", "task_id", "appkey", "message_id"), _TEXT)
_HOTWORDS = {"type": ["string", "object", "array", "null"]}
_ALIYUN_FLAGS = (
    "enable_inverse_text_normalization", "enable_intermediate_result", "enable_punctuation_prediction",
    "enable_words", "enable_speaker_diarization", "disfluency",
)  # fmt: skip

#: the first frame of FunASR's runtime, and any later one
_FUNASR: dict[str, Any] = {
    "mode": {"enum": ["offline", "online", "2pass"]},
    "wav_name": _TEXT,
    "wav_format": _TEXT,
    "audio_fs": _WHOLE,
    "is_speaking": _FLAG,
    "is_finished": _FLAG,
    "is_end": _FLAG,
    "chunk_size": {"type": ["array", "string"]},
    "chunk_interval": _WHOLE,
    "encoder_chunk_look_back": _WHOLE,
    "decoder_chunk_look_back": _WHOLE,
    "hotwords": _HOTWORDS,
    "itn": _FLAG,
    "svs_lang": _TEXT,
    "svs_itn": _FLAG,
    "spk": _FLAG,
    "vad_tail_sil": _WHOLE,
    "vad_max_len": _WHOLE,
    "vad_energy": _NUMBER,
}
_ALIYUN: dict[str, Any] = {
    "format": {"enum": ["pcm", "wav", "opus", "speex", "amr", "mp3", "aac"]},
    "sample_rate": _WHOLE,
    "max_sentence_silence": _NUMBER,
    "vocabulary_id": _TEXT,
    "language": _TEXT,
    "session_id": _TEXT,
    **dict.fromkeys(_ALIYUN_FLAGS, _FLAG),
}
_QWEN: dict[str, Any] = {
    "format": {"enum": ["pcm", "wav"]},
    "sample_rate": _WHOLE,
    "language": {"type": ["string", "null"]},
    "context": _TEXT,
    "chunk_size_sec": _NUMBER,
    "unfixed_chunk_num": _WHOLE,
    "unfixed_token_num": _WHOLE,
    "enable_inverse_text_normalization": _FLAG,
    "word_timestamps": _FLAG,
}


_LIST: dict[str, Any] = {"type": "array", "items": _TEXT}
_TRANSCRIPTION = {
    **dict.fromkeys(("model", "language", "prompt"), _TEXT),
    **dict.fromkeys(("languages", "keywords"), _LIST),
}
_TURNS = {
    "type": {"enum": ["server_vad", "semantic_vad"]},
    "eagerness": {"enum": ["low", "medium", "high", "auto"]},
    **dict.fromkeys(("threshold", "silence_duration_ms", "prefix_padding_ms"), _NUMBER),
}


def _object(properties: dict[str, Any], **fixed: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties | {name: {"const": value} for name, value in fixed.items()}}


_INPUT = _object(
    {
        "format": _object({"type": {"enum": ["audio/pcm", "audio/pcmu", "audio/pcma"]}, "rate": _WHOLE}),
        "transcription": _object(_TRANSCRIPTION),
        "turn_detection": _object(_TURNS),
        "noise_reduction": {"type": "object"},
    }
)
_REALTIME = _object(
    {
        "type": {"enum": ["transcription"]},
        "include": _LIST,
        "audio": _object({"input": _INPUT}),
    }
)
_REALTIME_BETA = _object(
    {
        "input_audio_format": {"enum": ["pcm16", "g711_ulaw", "g711_alaw"]},
        "input_audio_transcription": _object(_TRANSCRIPTION),
        "turn_detection": _object(_TURNS),
        "input_audio_noise_reduction": {"type": "object"},
        "include": _LIST,
    }
)
#: of Deepgram's `/v1/listen`, for recordings as well
LISTEN_QUERY: dict[str, Any] = {
    **dict.fromkeys(("model", "language", "keyterm", "keywords", "callback", "redact", "replace"), _TEXT),
    **dict.fromkeys(("punctuate", "smart_format", "numerals", "diarize", "detect_language", "multichannel"), _FLAG),
    **dict.fromkeys(("interim_results", "vad_events", "utterances", "profanity_filter"), _FLAG),
    **dict.fromkeys(("sample_rate", "channels", "utterance_end_ms"), _WHOLE),
    "encoding": {"enum": ["linear16", "linear32", "mulaw", "alaw"]},
    "endpointing": {"type": ["integer", "boolean"]},
}
#: protocol -> its path and its frames by name, the one that ends a recording under "end"
WEBSOCKETS: dict[str, Any] = {
    "funasr": {"path": "/", "frames": {"start": _object(_FUNASR), "end": _object(_FUNASR)}},
    "aliyun": {
        "path": "/ws/v1/asr",
        "frames": {
            "start": _object({"header": _object(_HEADER, name="StartTranscription"), "payload": _object(_ALIYUN)}),
            "end": _object({"header": _object(_HEADER, name="StopTranscription")}),
        },
    },
    "qwen": {
        "path": "/ws/v1/asr/qwen",
        "frames": {"start": _object({"payload": _object(_QWEN)}, type="start"), "end": _object({}, type="stop")},
    },
    "deepgram": {
        "path": "/v1/listen",
        "query": LISTEN_QUERY,
        "frames": {
            name: {"const": {"type": kind}}
            for name, kind in (("start", "KeepAlive"), ("finalize", "Finalize"), ("end", "CloseStream"))
        },
    },
    "openai-realtime": {
        "path": "/v1/realtime",
        "frames": {
            "start": _object({"event_id": _TEXT, "session": _REALTIME}, type="session.update"),
            "beta": _object({"event_id": _TEXT, "session": _REALTIME_BETA}, type="transcription_session.update"),
            "append": _object({"audio": _TEXT}, type="input_audio_buffer.append"),
            "commit": _object({}, type="input_audio_buffer.commit"),
            "end": _object({}, type="input_audio_buffer.clear"),
        },
    },
    "realtime": {
        "path": "/",
        "frames": {
            "start": {"const": "START"},
            "end": {"const": "STOP"},
            **{
                name.lower(): {"type": "string", "pattern": f"^{name}:"}
                for name in ("HOTWORDS", "LANGUAGE", "POSTPROCESS_HOTWORDS")
            },
            "commit": {"const": "COMMIT"},
        },
    },
}

_SOUND = _object(dict.fromkeys(("rate", "width", "channels", "timestamp"), _WHOLE))
#: type of a Wyoming event -> its data
WYOMING: dict[str, Any] = {
    "describe": _object({}),
    "ping": _object({"text": _TEXT}),
    "transcribe": _object(
        {
            **dict.fromkeys(("name", "language", "vad_sensitivity"), _TEXT),
            **dict.fromkeys(("transcript_names", "transcript_terms"), _LIST),
            "context": {"type": "object"},
        }
    ),
    "audio-start": _SOUND,
    "audio-chunk": _SOUND,
    "audio-stop": _object({"timestamp": _WHOLE}),
}
