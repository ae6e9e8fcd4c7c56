# For the scripts beside this one, which source it with the program and what to
# write as their arguments: a place to run it in, as `kahu`, and how to show that.

here=$(realpath "$(dirname "$0")")
program=$(realpath "${1:-$here/../../build/release/kahu}")
output=$(realpath "${2:-$here/$(basename "$0" .sh).txt}")
place=$(mktemp -d)
trap 'rm -r "$place"' EXIT

kahu() {
    "$program" "$@"
}

# Runs a line as it would be typed.
show() {
    echo "\$ $1"
    eval "$1" 2>&1 || echo "(exit status $?)"
    echo
}
