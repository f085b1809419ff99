# What bash offers: SCRIPT is loaded; for each line of standard input, as
# typed so far, the replies are printed, one a line, then "end". Words are
# divided as readline divides them. What is left to readline itself is
# printed as "(default)", "(dirnames)".
# shellcheck shell=bash disable=SC1090,SC2034
source "$1"
compopt() {
    [[ $2 == nospace ]] || printf '(%s)\n' "$2"
}
[[ $(complete -p nightjar) == 'complete -F _nightjar nightjar' ]] || exit 1
while IFS= read -r line; do
    mapfile -t COMP_WORDS < <(sed 's/[=:][=:]*/\n&\n/g; s/  */\n/g' <<<"$line" |
        sed '/^$/d')
    [[ $line != *' ' ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    word=${COMP_WORDS[COMP_CWORD]}
    [[ $word != [=:]* ]] || word=
    _nightjar nightjar "$word" "${COMP_WORDS[COMP_CWORD - 1]}"
    ((${#COMPREPLY[@]})) && printf '%s\n' "${COMPREPLY[@]}"
    echo end
done
