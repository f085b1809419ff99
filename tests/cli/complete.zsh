# What zsh offers: FOLDER has _nightjar; for each line of standard input, as
# typed so far, the matches are printed, one a line, then "end". A real
# interactive zsh with the real compinit, on a terminal of its own.
zmodload zsh/zpty || exit 1
setup=$TMPDIR/setup.zsh
cat >$setup <<'END'
PROMPT= RPROMPT=
unsetopt zle_bracketed_paste 2>/dev/null
fpath=($FOLDER $fpath)
autoload -U compinit
compinit -u -d $TMPDIR/zcompdump
bindkey '^I' complete-word
bindkey '^U' kill-whole-line
zstyle ':completion:*' completer _complete
zstyle ':completion:*' list-prompt ''
zstyle ':completion:*' insert-tab false
finished() { print -r -- "<end>"; compstate[insert]= compstate[list]=; }
started() { compprefuncs=(started); comppostfuncs=(finished); }
comppostfuncs=(finished) compprefuncs=(started)
# Every match passes here; calls that only ask are passed on.
compadd() {
    local -a __asked __hits
    zparseopts -E -a __asked -- O: A: D:
    if (( ${#__asked} )); then
        builtin compadd "$@"
        return
    fi
    builtin compadd -A __hits "$@"
    (( ${#__hits} )) && print -rl -- "<match>"$^__hits
    builtin compadd "$@"
}
print "<ready>"
END
export FOLDER=$1
zpty terminal zsh -f -i
zpty -w terminal "stty -echo; source $setup"
until_line() { # PATTERN
    while zpty -r terminal reply; do
        reply=${${reply%$'\n'}%$'\r'}
        [[ $reply == *'<match>'* ]] && print -r -- ${reply##*<match>}
        [[ $reply == *$~1 ]] && return
    done
    exit 1
}
until_line '<ready>'
while IFS= read -r line; do
    zpty -n -w terminal "$line"$'\t'
    until_line '<end>'
    print end
    zpty -n -w terminal $'\x15'
done
zpty -d terminal
