#!/usr/bin/env bash
# The distribution as users get it: sdist and wheel build twice to the same bytes, pass twine's check, and the installed
# wheel (not the checkout) works in a fresh environment of the oldest and the newest Python found, by pip, pipx and uv.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install -q 'build>=1.2' 'twine>=6' 'pipx>=1.7' 'uv>=0.5' 'hatchling>=1.27'

build() {
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) "$work/tools/bin/python" -m build -q --no-isolation --outdir "$1" .
  (cd "$1" && sha256sum ./*)
}
diff <(build "$work/first") <(build "$work/second")
echo "sdist and wheel: the same bytes twice"
"$work/tools/bin/twine" check --strict "$work"/first/*
wheel=$(echo "$work"/first/*.whl)

# smoke ASRCLI: what a new user does, away from the checkout
smoke() {
  (
    cd "$work"
    "$1" --version
    "$1" completion bash | grep -q _asrcli
    "$1" schema | grep -q '"title"'
    "$1" models | grep -q moonshine-tiny-en
    "$1" transcribe "$here/examples/dialogue.wav" -o - | tee "$work/words"
    grep -qi coffee "$work/words"
  )
}
here=$PWD

versions=()
for version in 3.11 3.12 3.13 3.14; do
  for python in "python$version" "$HOME/.pyenv/versions/$version".*/bin/python3 /root/.pyenv/versions/"$version".*/bin/python3; do
    if "$python" -c "import venv, sys; sys.exit(sys.version_info[:2] != (3, ${version#3.}))" 2>/dev/null; then
      versions+=("$python")
      break
    fi
  done
done
[ ${#versions[@]} -gt 0 ]
newest=${versions[-1]}
for python in $(printf '%s\n' "${versions[0]}" "$newest" | sort -u); do
  echo "-- $("$python" --version)"
  rm -rf "$work/fresh"
  "$python" -m venv "$work/fresh"
  "$work/fresh/bin/pip" install -q "$wheel[builtin]"
  smoke "$work/fresh/bin/asrcli"
done

echo "-- the extras together"
"$work/fresh/bin/pip" install -q --dry-run "$wheel[builtin,serve,hotwords,chinese,docx,evaluate]"

echo "-- pipx"
PIPX_HOME=$work/pipx PIPX_BIN_DIR=$work/pipx-bin "$work/tools/bin/pipx" install -q "$wheel[builtin]"
smoke "$work/pipx-bin/asrcli"

echo "-- uv tool"
UV_TOOL_DIR=$work/uv UV_TOOL_BIN_DIR=$work/uv-bin "$work/tools/bin/uv" tool install -q --python "$newest" "$wheel[builtin]"
smoke "$work/uv-bin/asrcli"
