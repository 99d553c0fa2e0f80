# Sourced by ./nextflow and tests/run. What they set up lives in a user cache, each piece in a folder named after the lock
# that pins it and this machine's Python. A piece is built in a fresh folder and renamed when whole: what exists is whole.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/entoflow"
envs="$root/envs"

die() {
    echo "error: $*" >&2
    exit 1
}

# Set $python to a Python >= 3.10 and $tag to what an environment built with it depends on.
find_python() {
    local ask='import os, sys
sys.exit(1) if sys.version_info < (3, 10) else print(
    sys.executable, "%d.%d-%s-%s" % (*sys.version_info[:2], sys.platform, os.uname().machine), sys.base_prefix, sep="\n")'
    local name base
    [ -z "${python:-}" ] || return 0
    for name in python3 python3.13 python3.12 python3.11 python3.10; do
        { read -r python && read -r tag && read -r base; } < <("$name" -I -S -c "$ask" 2>/dev/null) || continue
        tag=$tag-$(printf '%s' "$base" | cksum | cut -d ' ' -f 1)
        return 0
    done
    die "no Python >= 3.10 on the PATH: install one, for instance from python.org, and start again."
}

# piece NAME LOCK WHAT COMMAND...: set $piece to the folder of that piece; where it is absent, COMMAND FOLDER makes it.
piece() {
    local name=$1 lock=$2 what=$3
    shift 3
    find_python
    piece="$cache/$name-$tag-$(cksum < "$lock" | tr ' ' -)"
    [ -d "$piece" ] || (build "$piece" "$what" "$@")
}

# Runs in a subshell, so its lock ends with it, however it ends.
build() {
    local folder=$1 what=$2 new="$1.new" log="$cache/setup.log"
    shift 2
    mkdir -p "$cache" 2>/dev/null && : 2>/dev/null 9>>"$cache/lock" ||
        die "$cache cannot be written: free it, or set XDG_CACHE_HOME to a folder with room."
    exec 9>>"$cache/lock"
    "$python" - <<'PYTHON' || die "$cache cannot be locked: set XDG_CACHE_HOME to a folder on a local disk."
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("entoflow: another start is setting up, waiting for it ...", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
PYTHON
    [ ! -d "$folder" ] || return 0
    rm -rf "$cache"/*.new
    echo "entoflow: first start: getting $what ..." >&2
    "$@" "$new" 2>"$log" || { cat "$log" >&2; die "failed"; }
    mv "$new" "$folder"
}

tools() {
    piece tools "$envs/launcher.lock" "the installer (90 MB)" make_tools
    tools=$piece
}

make_tools() {
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$envs/launcher.lock"
}

# environment NAME WHAT: set $environment to the Python environment of NAME.lock.
environment() {
    tools
    piece "$1" "$envs/$1.lock" "$2" make_environment "$1"
    environment=$piece
}

make_environment() {
    "$tools/bin/python" -m uv venv --quiet --relocatable --no-project --python "$python" "$2"
    "$tools/bin/python" -m uv pip sync --quiet --require-hashes --python "$2/bin/python" "$envs/$1.lock"
}

make_java() {
    "$tools/bin/python" -m uv pip install --quiet --require-hashes --python "$python" --target "$1" -r "$envs/java.lock"
}

make_engine() {
    "$tools/bin/python" "$envs/nextflow/fetch.py" "$envs/nextflow/jgo.lock.toml" "$1"
}
