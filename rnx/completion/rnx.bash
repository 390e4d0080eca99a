# SPDX-License-Identifier: MIT
# Completion of rnx for bash: source this file, or put it as "rnx" into
# /usr/share/bash-completion/completions. All knowledge is in rnx itself.

_rnx() {
	local rest=$COMP_LINE current prefix='' first i line
	local -a joined=() start=() lines=()

	# Bash parts words at '=' and ':' too; rnx does not. What no blank parts belongs
	# together.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		line=${rest#"${rest%%[![:space:]]*}"}
		if ((i > 1)) && [[ $line == "$rest" && -n $rest ]]; then
			joined[-1]+=${COMP_WORDS[i]}
		elif ((i > 0)); then
			joined+=("${COMP_WORDS[i]}")
			start+=("$i")
		fi
		rest=${line#"${COMP_WORDS[i]}"}
	done

	current=${joined[-1]}
	if [[ $current == --*=* ]]; then
		[[ $COMP_WORDBREAKS == *=* ]] || prefix=${current%%=*}=
		current=${current#*=}
	fi
	mapfile -t lines < <("${COMP_WORDS[0]}" completion words -- "${joined[@]}" 2>/dev/null)
	COMPREPLY=()
	case ${lines[0]-} in
	:files)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -P "$prefix" -f -- "$current")
		;;
	:folders)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -P "$prefix" -d -- "$current")
		;;
	:command*)
		# A command line of its own, from its first word on.
		first=${start[${lines[0]#:command }]}
		if declare -F _command_offset >/dev/null; then
			_command_offset "$first"
		elif ((first == COMP_CWORD)); then
			mapfile -t COMPREPLY < <(compgen -c -- "$current")
		else
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$current")
		fi
		;;
	*)
		for line in "${lines[@]}"; do
			COMPREPLY+=("$prefix${line%%$'\t'*}")
		done
		;;
	esac
}

complete -F _rnx rnx
