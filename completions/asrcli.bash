# bash completion for asrcli. Generated from the program by 'python -m tools.generate'.

_asrcli_command() {
    case $1 in
        '')
            commands='transcribe watch align serve mcp models download-model journal speakers evaluate config doctor bench schema completion'
            options='--version --debug -h --help'
            valued=''
            arguments=()
            ;;
        transcribe)
            commands=''
            options='--files-from --manifest --recursive --no-recursive --include --exclude --fetch-network --raw --rate --raw-channels -f --format -o --output -d --output-dir --name --encoding --embed-audio --no-embed-audio --newline -m --model --fast -l --language --model-dir --backend --device --remote --remote-audio --remote-api-key --remote-api-key-file --offline --no-offline --hotwords --itn --no-itn --prompt --translate --no-translate --translate-to --language-id-model --language-per-chunk --no-language-per-chunk --diarize --no-diarize --speakers --diarization-model --embedding-model --min-speakers --max-speakers --cluster-threshold --audio-track --start --end --channels --vad --no-vad --vad-model --vad-threshold --vad-end-threshold --min-speech --min-silence --pad-before --pad-after --level --no-level --max-chunk --max-gap --correct-hotwords --no-correct-hotwords --punctuation --no-punctuation --punctuation-model --drop-fillers --no-drop-fillers --strip-marks --no-strip-marks --rich-text --no-rich-text --subtitle-style --max-line-width --max-line-width-cjk --max-lines --max-words --min-cue --max-cue --max-cps --cue-gap --dialogue --no-dialogue --label-every-cue --no-label-every-cue --highlight-words --no-highlight-words --rtl-marks --no-rtl-marks -j --jobs --overwrite --no-overwrite -n --dry-run --journal --skip-existing --no-skip-existing --shard --cluster --split-after --ship-model --no-ship-model --skip-if --fail-on -q --quiet --no-quiet --log-json --no-log-json --partial --no-partial --config --debug --help-all -h --help'
            valued='--files-from --manifest --include --exclude --fetch-network --raw --rate --raw-channels -f --format -o --output -d --output-dir --name --encoding --newline -m --model -l --language --model-dir --backend --device --remote --remote-audio --remote-api-key --remote-api-key-file --hotwords --prompt --translate-to --language-id-model --speakers --diarization-model --embedding-model --min-speakers --max-speakers --cluster-threshold --audio-track --start --end --channels --vad-model --vad-threshold --vad-end-threshold --min-speech --min-silence --pad-before --pad-after --max-chunk --max-gap --punctuation-model --subtitle-style --max-line-width --max-line-width-cjk --max-lines --max-words --min-cue --max-cue --max-cps --cue-gap -j --jobs --journal --shard --cluster --split-after --skip-if --fail-on --config'
            arguments=(file)
            ;;
        watch)
            commands=''
            options='--files-from --manifest --recursive --no-recursive --include --exclude --fetch-network --raw --rate --raw-channels -f --format -o --output -d --output-dir --name --encoding --embed-audio --no-embed-audio --newline -m --model --fast -l --language --model-dir --backend --device --remote --remote-audio --remote-api-key --remote-api-key-file --offline --no-offline --hotwords --itn --no-itn --prompt --translate --no-translate --translate-to --language-id-model --language-per-chunk --no-language-per-chunk --diarize --no-diarize --speakers --diarization-model --embedding-model --min-speakers --max-speakers --cluster-threshold --audio-track --start --end --channels --vad --no-vad --vad-model --vad-threshold --vad-end-threshold --min-speech --min-silence --pad-before --pad-after --level --no-level --max-chunk --max-gap --correct-hotwords --no-correct-hotwords --punctuation --no-punctuation --punctuation-model --drop-fillers --no-drop-fillers --strip-marks --no-strip-marks --rich-text --no-rich-text --subtitle-style --max-line-width --max-line-width-cjk --max-lines --max-words --min-cue --max-cue --max-cps --cue-gap --dialogue --no-dialogue --label-every-cue --no-label-every-cue --highlight-words --no-highlight-words --rtl-marks --no-rtl-marks -j --jobs --overwrite --no-overwrite -n --dry-run --settle --on-done --journal --skip-existing --no-skip-existing --shard --cluster --split-after --ship-model --no-ship-model --skip-if --fail-on -q --quiet --no-quiet --log-json --no-log-json --partial --no-partial --config --debug --help-all -h --help'
            valued='--files-from --manifest --include --exclude --fetch-network --raw --rate --raw-channels -f --format -o --output -d --output-dir --name --encoding --newline -m --model -l --language --model-dir --backend --device --remote --remote-audio --remote-api-key --remote-api-key-file --hotwords --prompt --translate-to --language-id-model --speakers --diarization-model --embedding-model --min-speakers --max-speakers --cluster-threshold --audio-track --start --end --channels --vad-model --vad-threshold --vad-end-threshold --min-speech --min-silence --pad-before --pad-after --max-chunk --max-gap --punctuation-model --subtitle-style --max-line-width --max-line-width-cjk --max-lines --max-words --min-cue --max-cue --max-cps --cue-gap -j --jobs --settle --on-done --journal --shard --cluster --split-after --skip-if --fail-on --config'
            arguments=(dir)
            ;;
        align)
            commands=''
            options='--raw --rate --raw-channels -f --format -o --output -m --model --fast -l --language --model-dir --backend --device --remote --remote-audio --remote-api-key --remote-api-key-file --offline --no-offline --hotwords --itn --no-itn --prompt --translate --no-translate --translate-to --audio-track --start --end --channels --vad --no-vad --vad-model --vad-threshold --vad-end-threshold --min-speech --min-silence --pad-before --pad-after --level --no-level --max-chunk --max-gap --correct-hotwords --no-correct-hotwords --subtitle-style --max-line-width --max-line-width-cjk --max-lines --max-words --min-cue --max-cue --max-cps --cue-gap --dialogue --no-dialogue --label-every-cue --no-label-every-cue --highlight-words --no-highlight-words --rtl-marks --no-rtl-marks -j --jobs -q --quiet --no-quiet --config --debug --help-all -h --help'
            valued='--raw --rate --raw-channels -f --format -o --output -m --model -l --language --model-dir --backend --device --remote --remote-audio --remote-api-key --remote-api-key-file --hotwords --prompt --translate-to --audio-track --start --end --channels --vad-model --vad-threshold --vad-end-threshold --min-speech --min-silence --pad-before --pad-after --max-chunk --max-gap --subtitle-style --max-line-width --max-line-width-cjk --max-lines --max-words --min-cue --max-cue --max-cps --cue-gap -j --jobs --config'
            arguments=(any any)
            ;;
        serve)
            commands=''
            options='--host -p --port --funasr-port --check --io-thread-num --wyoming-port --certfile --keyfile --root-path --forwarded-allow-ips --drain-timeout -m --model --streaming-model -j --num-threads --decoder-thread-num --offline --no-offline --preload --no-preload --model-thread-num --hotword --device --cluster --model-dir --models-file --enabled-model --fetch-models --no-fetch-models --max-chunk --model-ttl --aliyun-status --nearfield-threshold --api-key-file --api-key --wyoming-network --cors-origin --allowed-host --allow-url-fetch --no-allow-url-fetch --fetch-network --max-upload --max-disk --max-duration --max-queue --max-sessions --max-address-sessions --request-timeout --idle-timeout --webhook-secret-file --data-dir --job-ttl --job-timeout --webhook-secret -q --quiet --no-quiet --log-json --no-log-json --log-level --config --debug --help-all -h --help'
            valued='--host -p --port --funasr-port --io-thread-num --wyoming-port --certfile --keyfile --root-path --forwarded-allow-ips --drain-timeout -m --model --streaming-model -j --num-threads --decoder-thread-num --model-thread-num --hotword --device --cluster --model-dir --models-file --enabled-model --max-chunk --model-ttl --aliyun-status --nearfield-threshold --api-key-file --api-key --wyoming-network --cors-origin --allowed-host --fetch-network --max-upload --max-disk --max-duration --max-queue --max-sessions --max-address-sessions --request-timeout --idle-timeout --webhook-secret-file --data-dir --job-ttl --job-timeout --webhook-secret --log-level --config'
            arguments=()
            ;;
        mcp)
            commands=''
            options='--model-dir --allow -m --model -j --jobs --config --debug -h --help'
            valued='--model-dir --allow -m --model -j --jobs --config'
            arguments=()
            ;;
        models)
            commands='list show path verify remove add export import'
            options='--model-dir --json --kind --backend --language --installed --no-installed --debug -h --help'
            valued='--model-dir --kind --backend --language'
            arguments=()
            ;;
        'models list')
            commands=''
            options='--model-dir --json --kind --backend --language --installed --no-installed --config --debug -h --help'
            valued='--model-dir --kind --backend --language --config'
            arguments=()
            ;;
        'models show')
            commands=''
            options='--model-dir --json --config --debug -h --help'
            valued='--model-dir --config'
            arguments=('word sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-en moonshine-base-en moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch streaming-paraformer-zh-en streaming-paraformer-trilingual streaming-zipformer-zh-en streaming-zipformer-zh streaming-zipformer-en streaming-zipformer-en-kroko streaming-zipformer-de-kroko streaming-zipformer-es-kroko streaming-zipformer-fr-kroko streaming-zipformer-multi streaming-zipformer-ctc-zh streaming-zipformer-small-ctc-zh streaming-fastconformer-ctc-en streaming-zipformer-ko streaming-nemotron-en streaming-nemotron-multi streaming-t-one-ru silero-vad ct-punc-zh-en ct-punc-zh-en-fp32 online-punct-en pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1 campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet whisper-lid-tiny whisper-lid-base')
            ;;
        'models path')
            commands=''
            options='--model-dir --config --debug -h --help'
            valued='--model-dir --config'
            arguments=('word sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-en moonshine-base-en moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch streaming-paraformer-zh-en streaming-paraformer-trilingual streaming-zipformer-zh-en streaming-zipformer-zh streaming-zipformer-en streaming-zipformer-en-kroko streaming-zipformer-de-kroko streaming-zipformer-es-kroko streaming-zipformer-fr-kroko streaming-zipformer-multi streaming-zipformer-ctc-zh streaming-zipformer-small-ctc-zh streaming-fastconformer-ctc-en streaming-zipformer-ko streaming-nemotron-en streaming-nemotron-multi streaming-t-one-ru silero-vad ct-punc-zh-en ct-punc-zh-en-fp32 online-punct-en pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1 campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet whisper-lid-tiny whisper-lid-base')
            ;;
        'models verify')
            commands=''
            options='--model-dir --json --config --debug -h --help'
            valued='--model-dir --config'
            arguments=('word sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-en moonshine-base-en moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch streaming-paraformer-zh-en streaming-paraformer-trilingual streaming-zipformer-zh-en streaming-zipformer-zh streaming-zipformer-en streaming-zipformer-en-kroko streaming-zipformer-de-kroko streaming-zipformer-es-kroko streaming-zipformer-fr-kroko streaming-zipformer-multi streaming-zipformer-ctc-zh streaming-zipformer-small-ctc-zh streaming-fastconformer-ctc-en streaming-zipformer-ko streaming-nemotron-en streaming-nemotron-multi streaming-t-one-ru silero-vad ct-punc-zh-en ct-punc-zh-en-fp32 online-punct-en pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1 campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet whisper-lid-tiny whisper-lid-base')
            ;;
        'models remove')
            commands=''
            options='--model-dir --config --debug -h --help'
            valued='--model-dir --config'
            arguments=('word sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-en moonshine-base-en moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch streaming-paraformer-zh-en streaming-paraformer-trilingual streaming-zipformer-zh-en streaming-zipformer-zh streaming-zipformer-en streaming-zipformer-en-kroko streaming-zipformer-de-kroko streaming-zipformer-es-kroko streaming-zipformer-fr-kroko streaming-zipformer-multi streaming-zipformer-ctc-zh streaming-zipformer-small-ctc-zh streaming-fastconformer-ctc-en streaming-zipformer-ko streaming-nemotron-en streaming-nemotron-multi streaming-t-one-ru silero-vad ct-punc-zh-en ct-punc-zh-en-fp32 online-punct-en pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1 campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet whisper-lid-tiny whisper-lid-base')
            ;;
        'models add')
            commands=''
            options='--model-dir --type --file --language --kind --config --debug -h --help'
            valued='--model-dir --type --file --language --kind --config'
            arguments=(any dir)
            ;;
        'models export')
            commands=''
            options='--model-dir -o --output --config --debug -h --help'
            valued='--model-dir -o --output --config'
            arguments=('word sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-en moonshine-base-en moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch streaming-paraformer-zh-en streaming-paraformer-trilingual streaming-zipformer-zh-en streaming-zipformer-zh streaming-zipformer-en streaming-zipformer-en-kroko streaming-zipformer-de-kroko streaming-zipformer-es-kroko streaming-zipformer-fr-kroko streaming-zipformer-multi streaming-zipformer-ctc-zh streaming-zipformer-small-ctc-zh streaming-fastconformer-ctc-en streaming-zipformer-ko streaming-nemotron-en streaming-nemotron-multi streaming-t-one-ru silero-vad ct-punc-zh-en ct-punc-zh-en-fp32 online-punct-en pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1 campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet whisper-lid-tiny whisper-lid-base')
            ;;
        'models import')
            commands=''
            options='--model-dir --force --no-force --config --debug -h --help'
            valued='--model-dir --config'
            arguments=(file)
            ;;
        download-model)
            commands=''
            options='--model-dir -q --quiet --no-quiet --mirror --from --force --no-force --offline --no-offline --config --debug -h --help'
            valued='--model-dir --mirror --from --config'
            arguments=('word sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-en moonshine-base-en moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch streaming-paraformer-zh-en streaming-paraformer-trilingual streaming-zipformer-zh-en streaming-zipformer-zh streaming-zipformer-en streaming-zipformer-en-kroko streaming-zipformer-de-kroko streaming-zipformer-es-kroko streaming-zipformer-fr-kroko streaming-zipformer-multi streaming-zipformer-ctc-zh streaming-zipformer-small-ctc-zh streaming-fastconformer-ctc-en streaming-zipformer-ko streaming-nemotron-en streaming-nemotron-multi streaming-t-one-ru silero-vad ct-punc-zh-en ct-punc-zh-en-fp32 online-punct-en pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1 campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet whisper-lid-tiny whisper-lid-base')
            ;;
        journal)
            commands='show merge export'
            options='--debug -h --help'
            valued=''
            arguments=()
            ;;
        'journal show')
            commands=''
            options='--json --state --config --debug -h --help'
            valued='--state --config'
            arguments=(file)
            ;;
        'journal merge')
            commands=''
            options='--config --debug -h --help'
            valued=--config
            arguments=(any any)
            ;;
        'journal export')
            commands=''
            options='--format --shard-size --config --debug -h --help'
            valued='--format --shard-size --config'
            arguments=(file any)
            ;;
        speakers)
            commands='enroll list remove'
            options='--debug -h --help'
            valued=''
            arguments=()
            ;;
        'speakers enroll')
            commands=''
            options='--model-dir --replace --no-replace --diarization-model --embedding-model --vad --no-vad --config --debug -h --help'
            valued='--model-dir --diarization-model --embedding-model --config'
            arguments=(any file)
            ;;
        'speakers list')
            commands=''
            options='--json --config --debug -h --help'
            valued=--config
            arguments=()
            ;;
        'speakers remove')
            commands=''
            options='--config --debug -h --help'
            valued=--config
            arguments=(any)
            ;;
        evaluate)
            commands=''
            options='--json -r --reference --rttm -l --language --unit --normalize --no-normalize --vowel-marks --no-vowel-marks --collar --alignment --no-alignment --config --debug -h --help'
            valued='-r --reference --rttm -l --language --unit --collar --config'
            arguments=(file)
            ;;
        config)
            commands='show path init'
            options='--debug -h --help'
            valued=''
            arguments=()
            ;;
        'config show')
            commands=''
            options='--json --config --debug -h --help'
            valued=--config
            arguments=('word transcribe watch align serve mcp models download-model journal speakers evaluate config doctor bench schema completion')
            ;;
        'config path')
            commands=''
            options='--config --debug -h --help'
            valued=--config
            arguments=()
            ;;
        'config init')
            commands=''
            options='--force --config --debug -h --help'
            valued=--config
            arguments=()
            ;;
        doctor)
            commands=''
            options='--model-dir --json -m --model --config --debug -h --help'
            valued='--model-dir -m --model --config'
            arguments=()
            ;;
        bench)
            commands=''
            options='--model-dir --json -m --model -j --jobs --device --batch-size --max-chunk -r --reference --seconds --rounds --config --debug -h --help'
            valued='--model-dir -m --model -j --jobs --device --batch-size --max-chunk -r --reference --seconds --rounds --config'
            arguments=(file)
            ;;
        schema)
            commands=''
            options='--config --debug -h --help'
            valued=--config
            arguments=('word transcript event')
            ;;
        completion)
            commands=''
            options='--config --debug -h --help'
            valued=--config
            arguments=('word bash zsh fish')
            ;;
    esac
}

_asrcli_value() {
    argument=any
    case $1 in
        'transcribe --files-from') argument=file ;;
        'transcribe --manifest') argument=file ;;
        'transcribe --include') argument=any ;;
        'transcribe --exclude') argument=any ;;
        'transcribe --fetch-network') argument=any ;;
        'transcribe --raw') argument='word s16le s24le s32le f32le u8 mulaw alaw' ;;
        'transcribe --rate') argument=any ;;
        'transcribe --raw-channels') argument=any ;;
        'transcribe -f'|'transcribe --format') argument='list txt json jsonl whisper-json srt vtt ass lrc tsv csv md html docx rttm ctm textgrid' ;;
        'transcribe -o'|'transcribe --output') argument=file ;;
        'transcribe -d'|'transcribe --output-dir') argument=dir ;;
        'transcribe --name') argument=any ;;
        'transcribe --encoding') argument='word utf-8 utf-8-sig utf-16 gb18030' ;;
        'transcribe --newline') argument='word lf crlf' ;;
        'transcribe -m'|'transcribe --model') argument='model moonshine-tiny-en moonshine-base-en sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch' ;;
        'transcribe -l'|'transcribe --language') argument=any ;;
        'transcribe --model-dir') argument=dir ;;
        'transcribe --backend') argument='word auto sherpa-onnx funasr ctranslate2 qwen-asr vllm remote' ;;
        'transcribe --device') argument=any ;;
        'transcribe --remote') argument=any ;;
        'transcribe --remote-audio') argument='word auto flac wav' ;;
        'transcribe --remote-api-key') argument=any ;;
        'transcribe --remote-api-key-file') argument=file ;;
        'transcribe --hotwords') argument=any ;;
        'transcribe --prompt') argument=any ;;
        'transcribe --translate-to') argument=any ;;
        'transcribe --language-id-model') argument='model whisper-lid-tiny whisper-lid-base' ;;
        'transcribe --speakers') argument=any ;;
        'transcribe --diarization-model') argument='model community-1 pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1' ;;
        'transcribe --embedding-model') argument='model community-1-embedding campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet' ;;
        'transcribe --min-speakers') argument=any ;;
        'transcribe --max-speakers') argument=any ;;
        'transcribe --cluster-threshold') argument=any ;;
        'transcribe --audio-track') argument='word all' ;;
        'transcribe --start') argument=any ;;
        'transcribe --end') argument=any ;;
        'transcribe --channels') argument='word mix split' ;;
        'transcribe --vad-model') argument=file ;;
        'transcribe --vad-threshold') argument=any ;;
        'transcribe --vad-end-threshold') argument=any ;;
        'transcribe --min-speech') argument=any ;;
        'transcribe --min-silence') argument=any ;;
        'transcribe --pad-before') argument=any ;;
        'transcribe --pad-after') argument=any ;;
        'transcribe --max-chunk') argument=any ;;
        'transcribe --max-gap') argument=any ;;
        'transcribe --punctuation-model') argument='model ct-punc-zh-en ct-punc-zh-en-fp32 online-punct-en' ;;
        'transcribe --subtitle-style') argument='word netflix bbc youtube short' ;;
        'transcribe --max-line-width') argument=any ;;
        'transcribe --max-line-width-cjk') argument=any ;;
        'transcribe --max-lines') argument=any ;;
        'transcribe --max-words') argument=any ;;
        'transcribe --min-cue') argument=any ;;
        'transcribe --max-cue') argument=any ;;
        'transcribe --max-cps') argument=any ;;
        'transcribe --cue-gap') argument=any ;;
        'transcribe -j'|'transcribe --jobs') argument=any ;;
        'transcribe --journal') argument=file ;;
        'transcribe --shard') argument='word auto' ;;
        'transcribe --cluster') argument=any ;;
        'transcribe --split-after') argument=any ;;
        'transcribe --skip-if') argument=any ;;
        'transcribe --fail-on') argument=any ;;
        'transcribe --config') argument=file ;;
        'watch --files-from') argument=file ;;
        'watch --manifest') argument=file ;;
        'watch --include') argument=any ;;
        'watch --exclude') argument=any ;;
        'watch --fetch-network') argument=any ;;
        'watch --raw') argument='word s16le s24le s32le f32le u8 mulaw alaw' ;;
        'watch --rate') argument=any ;;
        'watch --raw-channels') argument=any ;;
        'watch -f'|'watch --format') argument='list txt json jsonl whisper-json srt vtt ass lrc tsv csv md html docx rttm ctm textgrid' ;;
        'watch -o'|'watch --output') argument=file ;;
        'watch -d'|'watch --output-dir') argument=dir ;;
        'watch --name') argument=any ;;
        'watch --encoding') argument='word utf-8 utf-8-sig utf-16 gb18030' ;;
        'watch --newline') argument='word lf crlf' ;;
        'watch -m'|'watch --model') argument='model moonshine-tiny-en moonshine-base-en sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch' ;;
        'watch -l'|'watch --language') argument=any ;;
        'watch --model-dir') argument=dir ;;
        'watch --backend') argument='word auto sherpa-onnx funasr ctranslate2 qwen-asr vllm remote' ;;
        'watch --device') argument=any ;;
        'watch --remote') argument=any ;;
        'watch --remote-audio') argument='word auto flac wav' ;;
        'watch --remote-api-key') argument=any ;;
        'watch --remote-api-key-file') argument=file ;;
        'watch --hotwords') argument=any ;;
        'watch --prompt') argument=any ;;
        'watch --translate-to') argument=any ;;
        'watch --language-id-model') argument='model whisper-lid-tiny whisper-lid-base' ;;
        'watch --speakers') argument=any ;;
        'watch --diarization-model') argument='model community-1 pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1' ;;
        'watch --embedding-model') argument='model community-1-embedding campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet' ;;
        'watch --min-speakers') argument=any ;;
        'watch --max-speakers') argument=any ;;
        'watch --cluster-threshold') argument=any ;;
        'watch --audio-track') argument='word all' ;;
        'watch --start') argument=any ;;
        'watch --end') argument=any ;;
        'watch --channels') argument='word mix split' ;;
        'watch --vad-model') argument=file ;;
        'watch --vad-threshold') argument=any ;;
        'watch --vad-end-threshold') argument=any ;;
        'watch --min-speech') argument=any ;;
        'watch --min-silence') argument=any ;;
        'watch --pad-before') argument=any ;;
        'watch --pad-after') argument=any ;;
        'watch --max-chunk') argument=any ;;
        'watch --max-gap') argument=any ;;
        'watch --punctuation-model') argument='model ct-punc-zh-en ct-punc-zh-en-fp32 online-punct-en' ;;
        'watch --subtitle-style') argument='word netflix bbc youtube short' ;;
        'watch --max-line-width') argument=any ;;
        'watch --max-line-width-cjk') argument=any ;;
        'watch --max-lines') argument=any ;;
        'watch --max-words') argument=any ;;
        'watch --min-cue') argument=any ;;
        'watch --max-cue') argument=any ;;
        'watch --max-cps') argument=any ;;
        'watch --cue-gap') argument=any ;;
        'watch -j'|'watch --jobs') argument=any ;;
        'watch --settle') argument=any ;;
        'watch --on-done') argument='word transcribe watch align serve mcp models download-model journal speakers evaluate config doctor bench schema completion' ;;
        'watch --journal') argument=file ;;
        'watch --shard') argument='word auto' ;;
        'watch --cluster') argument=any ;;
        'watch --split-after') argument=any ;;
        'watch --skip-if') argument=any ;;
        'watch --fail-on') argument=any ;;
        'watch --config') argument=file ;;
        'align --raw') argument='word s16le s24le s32le f32le u8 mulaw alaw' ;;
        'align --rate') argument=any ;;
        'align --raw-channels') argument=any ;;
        'align -f'|'align --format') argument='word txt json jsonl whisper-json srt vtt ass lrc tsv csv md html docx rttm ctm textgrid' ;;
        'align -o'|'align --output') argument=file ;;
        'align -m'|'align --model') argument='model moonshine-tiny-en moonshine-base-en sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch' ;;
        'align -l'|'align --language') argument=any ;;
        'align --model-dir') argument=dir ;;
        'align --backend') argument='word auto sherpa-onnx funasr ctranslate2 qwen-asr vllm remote' ;;
        'align --device') argument=any ;;
        'align --remote') argument=any ;;
        'align --remote-audio') argument='word auto flac wav' ;;
        'align --remote-api-key') argument=any ;;
        'align --remote-api-key-file') argument=file ;;
        'align --hotwords') argument=any ;;
        'align --prompt') argument=any ;;
        'align --translate-to') argument=any ;;
        'align --audio-track') argument='word all' ;;
        'align --start') argument=any ;;
        'align --end') argument=any ;;
        'align --channels') argument='word mix split' ;;
        'align --vad-model') argument=file ;;
        'align --vad-threshold') argument=any ;;
        'align --vad-end-threshold') argument=any ;;
        'align --min-speech') argument=any ;;
        'align --min-silence') argument=any ;;
        'align --pad-before') argument=any ;;
        'align --pad-after') argument=any ;;
        'align --max-chunk') argument=any ;;
        'align --max-gap') argument=any ;;
        'align --subtitle-style') argument='word netflix bbc youtube short' ;;
        'align --max-line-width') argument=any ;;
        'align --max-line-width-cjk') argument=any ;;
        'align --max-lines') argument=any ;;
        'align --max-words') argument=any ;;
        'align --min-cue') argument=any ;;
        'align --max-cue') argument=any ;;
        'align --max-cps') argument=any ;;
        'align --cue-gap') argument=any ;;
        'align -j'|'align --jobs') argument=any ;;
        'align --config') argument=file ;;
        'serve --host') argument=any ;;
        'serve -p'|'serve --port') argument=any ;;
        'serve --funasr-port') argument=any ;;
        'serve --io-thread-num') argument=any ;;
        'serve --wyoming-port') argument=any ;;
        'serve --certfile') argument=file ;;
        'serve --keyfile') argument=file ;;
        'serve --root-path') argument=file ;;
        'serve --forwarded-allow-ips') argument=any ;;
        'serve --drain-timeout') argument=any ;;
        'serve -m'|'serve --model') argument='model moonshine-tiny-en moonshine-base-en sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch' ;;
        'serve --streaming-model') argument='model streaming-paraformer-zh-en streaming-paraformer-trilingual streaming-zipformer-zh-en streaming-zipformer-zh streaming-zipformer-en streaming-zipformer-en-kroko streaming-zipformer-de-kroko streaming-zipformer-es-kroko streaming-zipformer-fr-kroko streaming-zipformer-multi streaming-zipformer-ctc-zh streaming-zipformer-small-ctc-zh streaming-fastconformer-ctc-en streaming-zipformer-ko streaming-nemotron-en streaming-nemotron-multi streaming-t-one-ru' ;;
        'serve -j'|'serve --num-threads'|'serve --decoder-thread-num') argument=any ;;
        'serve --model-thread-num') argument=any ;;
        'serve --hotword') argument=file ;;
        'serve --device') argument=any ;;
        'serve --cluster') argument=any ;;
        'serve --model-dir') argument=dir ;;
        'serve --models-file') argument=file ;;
        'serve --enabled-model') argument='model moonshine-tiny-en moonshine-base-en sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch' ;;
        'serve --max-chunk') argument=any ;;
        'serve --model-ttl') argument=any ;;
        'serve --aliyun-status') argument='word auto 20000000 200' ;;
        'serve --nearfield-threshold') argument=any ;;
        'serve --api-key-file') argument=file ;;
        'serve --api-key') argument=any ;;
        'serve --wyoming-network') argument=any ;;
        'serve --cors-origin') argument=any ;;
        'serve --allowed-host') argument=any ;;
        'serve --fetch-network') argument=any ;;
        'serve --max-upload') argument=any ;;
        'serve --max-disk') argument=any ;;
        'serve --max-duration') argument=any ;;
        'serve --max-queue') argument=any ;;
        'serve --max-sessions') argument=any ;;
        'serve --max-address-sessions') argument=any ;;
        'serve --request-timeout') argument=any ;;
        'serve --idle-timeout') argument=any ;;
        'serve --webhook-secret-file') argument=file ;;
        'serve --data-dir') argument=dir ;;
        'serve --job-ttl') argument=any ;;
        'serve --job-timeout') argument=any ;;
        'serve --webhook-secret') argument=any ;;
        'serve --log-level') argument=any ;;
        'serve --config') argument=file ;;
        'mcp --model-dir') argument=dir ;;
        'mcp --allow') argument=dir ;;
        'mcp -m'|'mcp --model') argument='model moonshine-tiny-en moonshine-base-en sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch' ;;
        'mcp -j'|'mcp --jobs') argument=any ;;
        'mcp --config') argument=file ;;
        'models --model-dir') argument=dir ;;
        'models --kind') argument='word asr streaming vad punctuation segmentation embedding language-id' ;;
        'models --backend') argument='word sherpa-onnx funasr ctranslate2 qwen-asr vllm remote' ;;
        'models --language') argument=any ;;
        'models list --model-dir') argument=dir ;;
        'models list --kind') argument='word asr streaming vad punctuation segmentation embedding language-id' ;;
        'models list --backend') argument='word sherpa-onnx funasr ctranslate2 qwen-asr vllm remote' ;;
        'models list --language') argument=any ;;
        'models list --config') argument=file ;;
        'models show --model-dir') argument=dir ;;
        'models show --config') argument=file ;;
        'models path --model-dir') argument=dir ;;
        'models path --config') argument=file ;;
        'models verify --model-dir') argument=dir ;;
        'models verify --config') argument=file ;;
        'models remove --model-dir') argument=dir ;;
        'models remove --config') argument=file ;;
        'models add --model-dir') argument=dir ;;
        'models add --type') argument=any ;;
        'models add --file') argument=any ;;
        'models add --language') argument=any ;;
        'models add --kind') argument='word asr streaming vad punctuation segmentation embedding language-id' ;;
        'models add --config') argument=file ;;
        'models export --model-dir') argument=dir ;;
        'models export -o'|'models export --output') argument=file ;;
        'models export --config') argument=file ;;
        'models import --model-dir') argument=dir ;;
        'models import --config') argument=file ;;
        'download-model --model-dir') argument=dir ;;
        'download-model --mirror') argument=any ;;
        'download-model --from') argument=file ;;
        'download-model --config') argument=file ;;
        'journal show --state') argument='word all done failed open' ;;
        'journal show --config') argument=file ;;
        'journal merge --config') argument=file ;;
        'journal export --format') argument='word jsonl parquet' ;;
        'journal export --shard-size') argument=any ;;
        'journal export --config') argument=file ;;
        'speakers enroll --model-dir') argument=dir ;;
        'speakers enroll --diarization-model') argument='model community-1 pyannote-segmentation-3-0 pyannote-segmentation-3-0-int8 reverb-segmentation-v1' ;;
        'speakers enroll --embedding-model') argument='model community-1-embedding campplus-zh-en campplus-zh campplus-en eres2net-base-zh eres2net-en eres2netv2-zh titanet-large titanet-small wespeaker-resnet34-lm wespeaker-campplus-lm voxceleb-thin-resnet' ;;
        'speakers enroll --config') argument=file ;;
        'speakers list --config') argument=file ;;
        'speakers remove --config') argument=file ;;
        'evaluate -r'|'evaluate --reference') argument=file ;;
        'evaluate --rttm') argument=file ;;
        'evaluate -l'|'evaluate --language') argument=any ;;
        'evaluate --unit') argument='word auto word char' ;;
        'evaluate --collar') argument=any ;;
        'evaluate --config') argument=file ;;
        'config show --config') argument=file ;;
        'config path --config') argument=file ;;
        'config init --config') argument=file ;;
        'doctor --model-dir') argument=dir ;;
        'doctor -m'|'doctor --model') argument='model moonshine-tiny-en moonshine-base-en sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch' ;;
        'doctor --config') argument=file ;;
        'bench --model-dir') argument=dir ;;
        'bench -m'|'bench --model') argument='model moonshine-tiny-en moonshine-base-en sensevoice-small sensevoice-small-2025 sensevoice-funasr-nano paraformer-zh paraformer-zh-2024 paraformer-zh-small paraformer-zh-sichuan paraformer-trilingual paraformer-en whisper-tiny whisper-tiny.en whisper-base whisper-base.en whisper-small whisper-small.en whisper-medium whisper-medium.en whisper-large-v3 whisper-turbo whisper-distil-small.en whisper-distil-medium.en whisper-distil-large-v3 whisper-distil-large-v3.5 parakeet-tdt-0.6b-v2 parakeet-tdt-0.6b-v3 parakeet-unified-en parakeet-ctc-110m-en parakeet-ctc-0.6b-ja fastconformer-ctc-eu fastconformer-ctc-de fastconformer-ctc-pt fastconformer-ctc-es canary-180m-flash gigaam-v3-ru gigaam-v3-ctc-ru zipformer-en zipformer-zh-en zipformer-multi-zh zipformer-ctc-zh zipformer-ctc-small-zh zipformer-ja zipformer-ko zipformer-th zipformer-ru zipformer-small-ru zipformer-vi-30m moonshine-tiny-ja moonshine-tiny-ko moonshine-base-ja moonshine-base-zh moonshine-base-es moonshine-base-vi moonshine-base-uk moonshine-base-ar moonshine-v1-tiny-en moonshine-v1-base-en fire-red-asr2 fire-red-asr2-ctc fire-red-asr-large dolphin-base dolphin-small omnilingual-300m omnilingual-1b qwen3-asr-0.6b funasr-nano cohere-transcribe medasr-en telespeech-zh wenetspeech-yue wenetspeech-wu faster-whisper-tiny faster-whisper-tiny.en faster-whisper-base faster-whisper-base.en faster-whisper-small faster-whisper-small.en faster-whisper-medium faster-whisper-medium.en faster-whisper-large-v2 faster-whisper-large-v3 faster-whisper-large-v3-turbo faster-distil-whisper-small.en faster-distil-whisper-medium.en faster-distil-whisper-large-v2 faster-distil-whisper-large-v3 faster-distil-whisper-large-v3.5 sensevoice-small-funasr seaco-paraformer-zh-funasr paraformer-zh-funasr fun-asr-nano-funasr fun-asr-mlt-nano-funasr qwen3-asr-0.6b-torch qwen3-asr-1.7b-torch' ;;
        'bench -j'|'bench --jobs') argument=any ;;
        'bench --device') argument=any ;;
        'bench --batch-size') argument=any ;;
        'bench --max-chunk') argument=any ;;
        'bench -r'|'bench --reference') argument=file ;;
        'bench --seconds') argument=any ;;
        'bench --rounds') argument=any ;;
        'bench --config') argument=file ;;
        'schema --config') argument=file ;;
        'completion --config') argument=file ;;
    esac
}

_asrcli() {
    local cur=${COMP_WORDS[COMP_CWORD]} path='' commands options valued arguments argument option='' i word given=0
    _asrcli_command ''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $option && $word == '=' ]]; then
            continue
        elif [[ -n $option ]]; then
            option=''
        elif [[ $word == -* && " $valued " == *" $word "* ]]; then
            option=$word
        elif [[ $word != -* && " $commands " == *" $word "* ]]; then
            path="${path:+$path }$word"
            _asrcli_command "$path"
            given=0
        elif [[ $word != -* ]]; then
            ((given++))
        fi
    done
    [[ $cur == '=' ]] && cur=''
    COMPREPLY=()
    if [[ -n $option ]]; then
        _asrcli_value "${path:+$path }$option"
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    elif [[ -n $commands ]]; then
        argument="word $commands"
    else
        # the last argument may be repeated
        argument=${arguments[given < ${#arguments[@]} ? given : ${#arguments[@]} - 1]}
    fi
    case $argument in
        file*) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        dir*) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
        model*)
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -W "${argument#model}" -- "$cur"; compgen -d -- "$cur")
            ;;
        word*) mapfile -t COMPREPLY < <(compgen -W "${argument#word}" -- "$cur") ;;
        list*)
            local given=''
            [[ $cur == *,* ]] && given=${cur%,*},
            mapfile -t COMPREPLY < <(compgen -P "$given" -W "${argument#list}" -- "${cur##*,}")
            ;;
    esac
}

complete -F _asrcli asrcli
