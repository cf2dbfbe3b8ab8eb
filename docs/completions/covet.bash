# Completion of the covet command for bash.

_covet_query()
{
  case $prev in
    -f | --format)
      COMPREPLY=($(compgen -W "table csv ndjson json" -- "$cur"))
      return
      ;;
    -n | --null | -t | --timeout)
      return
      ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "-f --format -n --null --no-header -t --timeout -h --help" -- "$cur"))
  fi
}

_covet()
{
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if [[ ${COMP_WORDS[1]} == query && $COMP_CWORD -gt 1 ]]; then
    _covet_query
    return
  fi
  case $prev in
    -e | --execute | -m | --module) return ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "-e --execute -m --module -i --interactive -v --version -h --help" -- "$cur"))
  elif [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "query" -- "$cur") $(compgen -f -X '!*.lua' -- "$cur") $(compgen -d -- "$cur"))
  fi
}

complete -o default -F _covet covet
