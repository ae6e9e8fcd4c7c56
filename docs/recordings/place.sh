# For the scripts beside this one, which source it with the program as their
# argument: a place to run it in, as `kahu`, and how to show that.

here=$(realpath "$(dirname "$0")")
program=$(realpath "${1:-$here/../../build/release/kahu}")
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
