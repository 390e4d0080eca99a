# SPDX-License-Identifier: MIT
# Completion of rnx for fish: put it into a folder of $fish_complete_path. All knowledge is
# in rnx itself.

function __rnx_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] completion words -- $words[2..-1] "$current" 2>/dev/null)
    set -l prefix ''

    # A value behind --flag=: what is in front of it belongs to the word.
    if string match -q -- '--*=*' "$current"
        set prefix (string replace -r -- '=.*' '=' "$current")
    end
    switch "$lines[1]"
        case ':files'
            __fish_complete_path (string replace -- "$prefix" '' "$current") | string replace -r -- '^' "$prefix"
        case ':folders'
            __fish_complete_directories (string replace -- "$prefix" '' "$current") | string replace -r -- '^' "$prefix"
        case ':command*'
            set -l first (string replace ':command ' '' -- $lines[1])
            __fish_complete_subcommand --commandline $words[(math $first + 2)..-1] $current
        case '*'
            for line in $lines
                echo $prefix$line
            end
    end
end

complete -c rnx -f -a '(__rnx_complete)'
