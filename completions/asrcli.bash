# bash completion for asrcli. Generated from the program by 'python -m asrcli.cli.generate'.

_asrcli_command() {
    case $1 in
        '')
            commands='transcribe models download-model speakers evaluate config doctor schema completion'
            options='--version --debug --help'
            valued=''
            argument=''
            ;;
        transcribe)
            commands=''
            options='--files-from --recursive --no-recursive --include --exclude --raw --rate --raw-channels -f --format -o --output -d --output-dir -m --model --model-dir --offline -l --language --hotwords --itn --no-itn -j --jobs --journal --overwrite --skip-existing -n --dry-run --audio-track --channels --start --end --vad --no-vad --vad-model --vad-threshold --vad-end-threshold --min-speech --min-silence --pad-before --pad-after --max-chunk --max-gap --max-line-width --max-line-width-cjk --max-lines --max-words --min-cue --max-cue --max-cps --cue-gap --highlight-words -q --quiet --log-json --config --debug --help'
            valued='--files-from --include --exclude --raw --rate --raw-channels -f --format -o --output -d --output-dir -m --model --model-dir -l --language --hotwords -j --jobs --journal --audio-track --channels --start --end --vad-model --vad-threshold --vad-end-threshold --min-speech --min-silence --pad-before --pad-after --max-chunk --max-gap --max-line-width --max-line-width-cjk --max-lines --max-words --min-cue --max-cue --max-cps --cue-gap --config'
            argument=file
            ;;
        models)
            commands='list show path verify remove add export import'
            options='--json --debug --help'
            valued=''
            argument=''
            ;;
        'models list')
            commands=''
            options='--kind --language --installed --model-dir --json --config --debug --help'
            valued='--kind --language --model-dir --config'
            argument=''
            ;;
        'models show')
            commands=''
            options='--model-dir --json --config --debug --help'
            valued='--model-dir --config'
            argument=any
            ;;
        'models path')
            commands=''
            options='--model-dir --config --debug --help'
            valued='--model-dir --config'
            argument=any
            ;;
        'models verify')
            commands=''
            options='--model-dir --json --config --debug --help'
            valued='--model-dir --config'
            argument=any
            ;;
        'models remove')
            commands=''
            options='--model-dir --config --debug --help'
            valued='--model-dir --config'
            argument=any
            ;;
        'models add')
            commands=''
            options='--type --file --language --kind --model-dir --config --debug --help'
            valued='--type --file --language --kind --model-dir --config'
            argument=any
            ;;
        'models export')
            commands=''
            options='-o --output --model-dir --config --debug --help'
            valued='-o --output --model-dir --config'
            argument=any
            ;;
        'models import')
            commands=''
            options='--force --model-dir --config --debug --help'
            valued='--model-dir --config'
            argument=file
            ;;
        download-model)
            commands=''
            options='--mirror --from --force --offline --model-dir -q --quiet --config --debug --help'
            valued='--mirror --from --model-dir --config'
            argument=any
            ;;
        speakers)
            commands='enroll list remove'
            options='--debug --help'
            valued=''
            argument=''
            ;;
        'speakers enroll')
            commands=''
            options='--replace --diarization-model --embedding-model --model-dir --config --debug --help'
            valued='--diarization-model --embedding-model --model-dir --config'
            argument=any
            ;;
        'speakers list')
            commands=''
            options='--json --config --debug --help'
            valued=--config
            argument=''
            ;;
        'speakers remove')
            commands=''
            options='--config --debug --help'
            valued=--config
            argument=any
            ;;
        evaluate)
            commands=''
            options='-r --reference --rttm -l --language --unit --normalize --no-normalize --collar --alignment --no-alignment --json --config --debug --help'
            valued='-r --reference --rttm -l --language --unit --collar --config'
            argument=any
            ;;
        config)
            commands='show path init'
            options='--debug --help'
            valued=''
            argument=''
            ;;
        'config show')
            commands=''
            options='--json --config --debug --help'
            valued=--config
            argument='word transcribe models download-model speakers evaluate config doctor schema completion'
            ;;
        'config path')
            commands=''
            options='--config --debug --help'
            valued=--config
            argument=''
            ;;
        'config init')
            commands=''
            options='--force --config --debug --help'
            valued=--config
            argument=''
            ;;
        doctor)
            commands=''
            options='-m --model --model-dir --json --config --debug --help'
            valued='-m --model --model-dir --config'
            argument=''
            ;;
        schema)
            commands=''
            options='--config --debug --help'
            valued=--config
            argument=''
            ;;
        completion)
            commands=''
            options='--config --debug --help'
            valued=--config
            argument='word bash zsh fish'
            ;;
    esac
}

_asrcli_value() {
    argument=any
    case $1 in
        'transcribe --files-from') argument=file ;;
        'transcribe --include') argument=any ;;
        'transcribe --exclude') argument=any ;;
        'transcribe --raw') argument='word s16le f32le' ;;
        'transcribe --rate') argument=any ;;
        'transcribe --raw-channels') argument=any ;;
        'transcribe -f'|'transcribe --format') argument='list txt json jsonl srt vtt ass lrc tsv csv md rttm ctm textgrid' ;;
        'transcribe -o'|'transcribe --output') argument=file ;;
        'transcribe -d'|'transcribe --output-dir') argument=dir ;;
        'transcribe -m'|'transcribe --model') argument=any ;;
        'transcribe --model-dir') argument=dir ;;
        'transcribe -l'|'transcribe --language') argument=any ;;
        'transcribe --hotwords') argument=any ;;
        'transcribe -j'|'transcribe --jobs') argument=any ;;
        'transcribe --journal') argument=file ;;
        'transcribe --audio-track') argument=any ;;
        'transcribe --channels') argument='word mix split' ;;
        'transcribe --start') argument=any ;;
        'transcribe --end') argument=any ;;
        'transcribe --vad-model') argument=file ;;
        'transcribe --vad-threshold') argument=any ;;
        'transcribe --vad-end-threshold') argument=any ;;
        'transcribe --min-speech') argument=any ;;
        'transcribe --min-silence') argument=any ;;
        'transcribe --pad-before') argument=any ;;
        'transcribe --pad-after') argument=any ;;
        'transcribe --max-chunk') argument=any ;;
        'transcribe --max-gap') argument=any ;;
        'transcribe --max-line-width') argument=any ;;
        'transcribe --max-line-width-cjk') argument=any ;;
        'transcribe --max-lines') argument=any ;;
        'transcribe --max-words') argument=any ;;
        'transcribe --min-cue') argument=any ;;
        'transcribe --max-cue') argument=any ;;
        'transcribe --max-cps') argument=any ;;
        'transcribe --cue-gap') argument=any ;;
        'transcribe --config') argument=file ;;
        'models list --kind') argument='word asr streaming vad punctuation segmentation embedding language-id' ;;
        'models list --language') argument=any ;;
        'models list --model-dir') argument=dir ;;
        'models list --config') argument=file ;;
        'models show --model-dir') argument=dir ;;
        'models show --config') argument=file ;;
        'models path --model-dir') argument=dir ;;
        'models path --config') argument=file ;;
        'models verify --model-dir') argument=dir ;;
        'models verify --config') argument=file ;;
        'models remove --model-dir') argument=dir ;;
        'models remove --config') argument=file ;;
        'models add --type') argument=any ;;
        'models add --file') argument=any ;;
        'models add --language') argument=any ;;
        'models add --kind') argument='word asr streaming vad punctuation segmentation embedding language-id' ;;
        'models add --model-dir') argument=dir ;;
        'models add --config') argument=file ;;
        'models export -o'|'models export --output') argument=file ;;
        'models export --model-dir') argument=dir ;;
        'models export --config') argument=file ;;
        'models import --model-dir') argument=dir ;;
        'models import --config') argument=file ;;
        'download-model --mirror') argument=any ;;
        'download-model --from') argument=file ;;
        'download-model --model-dir') argument=dir ;;
        'download-model --config') argument=file ;;
        'speakers enroll --diarization-model') argument=any ;;
        'speakers enroll --embedding-model') argument=any ;;
        'speakers enroll --model-dir') argument=dir ;;
        'speakers enroll --config') argument=file ;;
        'speakers list --config') argument=file ;;
        'speakers remove --config') argument=file ;;
        'evaluate -r'|'evaluate --reference') argument=any ;;
        'evaluate --rttm') argument=any ;;
        'evaluate -l'|'evaluate --language') argument=any ;;
        'evaluate --unit') argument='word auto word char' ;;
        'evaluate --collar') argument=any ;;
        'evaluate --config') argument=file ;;
        'config show --config') argument=file ;;
        'config path --config') argument=file ;;
        'config init --config') argument=file ;;
        'doctor -m'|'doctor --model') argument=any ;;
        'doctor --model-dir') argument=dir ;;
        'doctor --config') argument=file ;;
        'schema --config') argument=file ;;
        'completion --config') argument=file ;;
    esac
}

_asrcli() {
    local cur=${COMP_WORDS[COMP_CWORD]} path='' commands options valued argument option='' i word
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
    fi
    case $argument in
        file*) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        dir*) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
        word*) mapfile -t COMPREPLY < <(compgen -W "${argument#word}" -- "$cur") ;;
        list*)
            local given=''
            [[ $cur == *,* ]] && given=${cur%,*},
            mapfile -t COMPREPLY < <(compgen -P "$given" -W "${argument#list}" -- "${cur##*,}")
            ;;
    esac
}

complete -F _asrcli asrcli
