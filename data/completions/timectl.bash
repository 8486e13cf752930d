# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
# Completion of timectl(1) for bash.

# Names of the sources that the daemon has. Only what looks like a name or address: compgen expands its words.
__timectl_sources() {
    timectl --csv --original-names --no-pager --all sources 2>/dev/null | cut -d, -f3 | grep -E '^[A-Za-z0-9._:%-]+$'
}

_timectl() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' at=0 choices='' i
    local verbs='status tracking sources sourcestats selectdata authdata ntpdata activity explain nts-check sourcename waitsync add delete
        online offline onoffline burst refresh reselect reselectdist selectopts minpoll maxpoll maxdelay maxdelayratio
        maxdelaydevratio minstratum polltarget offset makestep settime manual maxupdateskew serverstats
        clients allow deny accheck local reload reset rekey keygen dump cyclelogs help'
    local options='-c --csv --json= -n --numeric -N --original-names -a --all -v --verbose -m --multiple -H --host=
        --no-pager --no-ask-password -h --help --version'

    case $previous in
        -H | --host) return ;;
        --json) COMPREPLY=($(compgen -W 'pretty short off' -- "$word")); return ;;
    esac
    if [[ $previous == = && ${COMP_WORDS[COMP_CWORD - 2]} == --json ]]; then
        COMPREPLY=($(compgen -W 'pretty short off' -- "$word"))
        return
    fi

    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} != -* && ${COMP_WORDS[i - 1]} != -H ]]; then
            [[ $verb ]] || verb=${COMP_WORDS[i]}
            at=$((at + 1))
        fi
    done

    if [[ $word == -* && $verb != selectopts ]]; then
        choices=$options
    elif [[ ! $verb ]]; then
        choices=$verbs
    else
        case $verb:$at in
            ntpdata:1 | explain:1 | sourcename:1 | delete:1 | online:1 | offline:1 | burst:2 | selectopts:1 | minpoll:1 | \
                maxpoll:1 | maxdelay:1 | maxdelayratio:1 | maxdelaydevratio:1 | minstratum:1 | polltarget:1 | offset:1)
                choices=$(__timectl_sources) ;;
            selectopts:*) choices='+noselect +prefer +trust +require -noselect -prefer -trust -require' ;;
            add:1) choices='server pool peer' ;;
            manual:1) choices='on off list reset delete' ;;
            reload:1 | reset:1) choices=sources ;;
            keygen:2) choices='MD5 SHA1 SHA256 SHA384 SHA512 SHA3-224 SHA3-256 SHA3-384 SHA3-512 AES128 AES256' ;;
            allow:1 | deny:1) choices=all ;;
            local:*) choices='off stratum distance activate waitsynced waitunsynced orphan' ;;
            burst:1) choices='1/1 4/4 4/8' ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
    [[ ${COMPREPLY[0]-} == --*= ]] && compopt -o nospace 2>/dev/null
}

complete -F _timectl timectl
