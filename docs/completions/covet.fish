# Completion of the covet command for fish.

set -l in_query '__fish_seen_subcommand_from query'
set -l not_in_query 'not __fish_seen_subcommand_from query'

complete -c covet -n __fish_use_subcommand -a query -d 'run SQL and print its rows'
complete -c covet -n $not_in_query -s e -l execute -x -d 'run code'
complete -c covet -n $not_in_query -s m -l module -x -d 'run a module'
complete -c covet -n $not_in_query -s i -l interactive -d 'go on with the REPL'
complete -c covet -n $not_in_query -s v -l version -d 'print versions'
complete -c covet -s h -l help -d 'print a summary of the options'
complete -c covet -n $in_query -s f -l format -x -a 'table csv ndjson json' -d 'format of the rows'
complete -c covet -n $in_query -s n -l null -x -d 'what NULL looks like'
complete -c covet -n $in_query -l no-header -d 'leave out the names of the columns'
complete -c covet -n $in_query -s t -l timeout -x -d 'give up after so many seconds'
