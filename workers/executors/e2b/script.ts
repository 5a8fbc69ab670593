/**
 * The shell script that stands in a sandbox beside an attempt's files and does what has to be done
 * there. Every mode may be called again at any time; that the code starts once is decided by making
 * the folder `claim`, which one caller alone succeeds in.
 *
 * - `attach OUT ERR`: starts the code unless it was, and follows its output from those bytes on
 *   (from 1) until it has ended; `-` follows none.
 * - `watch OUT ERR`: follows as `attach` does, and starts nothing.
 * - `stop TENTHS`: ends the code's process group, by force after so many tenths of a second; code
 *   that was not started never will be.
 * - `status [files]`: exit code or `-`, and the sizes of out, err, output and frame; then the files
 *   of the working directory.
 * - `read OUT ERR BYTES`: what out and err hold from there on, up to so many bytes of each.
 * - `clear`: as `stop 0`, and removes the attempt's folder, in a sandbox that goes on to live.
 * - `hash PATH…`: SHA-256 of files of the working directory.
 * - `unpack`: puts the tree whose archive lies beside the script where the file `tree` says, read-only;
 *   ends with 74 when the code is to start in a folder that the tree does not have.
 *
 * Output goes through pipes, since code that opens /dev/stderr would cut a file off. What exceeds
 * the kernel's limit on a pump's file is read and dropped. The shell is no login shell: profiles
 * would replace the PATH of the template and of the task. Needs bash and GNU coreutils, as E2B's
 * templates have them.
 */
import { MAX_LOG_BYTES } from "../port.ts";

/** Somewhat above what an attempt may log, so that reaching the limit shows. */
const MAX_FILE_KIB = MAX_LOG_BYTES / 1024 + 1024;

/** What `unpack` ends with when the tree lacks the working directory. */
export const NO_FOLDER = 74;

export const RUN_SCRIPT = String.raw`#!/bin/bash
cd "$(dirname -- "$0")" || exit 70
D=$PWD
W=$HOME/$(<place)

finish() { printf '%s\n' "$1" >"$D/exit.new" && mv "$D/exit.new" "$D/exit"; }
size() { stat -c %s "$1" 2>/dev/null || echo 0; }
# Waits for a condition, for up to so many times 10 ms.
until_true() { local n; for ((n = 0; n < $1; n++)); do "${"$"}{@:2}" && return 0; sleep 0.01; done; return 1; }
begun() { [ -s pgid ] || [ -e exit ]; }
watched() { [ -s supervisor ] || [ -e exit ]; }
ended() { [ -e exit ]; }
drained() { ! kill -0 "$po" 2>/dev/null && ! kill -0 "$pe" 2>/dev/null; }
follow() {
  [ "$1" = - ] && return
  if [ -e exit ]; then tail -c "+$1" "$2"; else tail -c "+$1" -f -s 0.05 --pid="$pid" "$2"; fi
}
stop() {
  if mkdir claim 2>/dev/null; then finish 143; exit 0; fi
  until_true 200 begun
  ended && exit 0
  read -r code <pgid || exit 72
  kill -TERM -- "-$code" 2>/dev/null
  until_true "$(($1 * 10))" ended && exit 0
  kill -KILL -- "-$code" 2>/dev/null
  until_true 200 ended || exit 72
}
pump() (
  trap '' XFSZ
  ulimit -f ${MAX_FILE_KIB}
  exec <"$1.pipe"
  cat >>"$1" 2>/dev/null
  cat >/dev/null
)

case $1 in
attach | watch)
  if [ "$1" = attach ] && mkdir claim 2>/dev/null; then
    setsid /bin/bash "$D/run.sh" supervise </dev/null >/dev/null 2>&1 &
  fi
  until_true 1000 watched || exit 71
  pid=0
  [ -s supervisor ] && read -r pid <supervisor
  follow "$2" out 2>/dev/null &
  follow "$3" err >&2 2>/dev/null &
  [ "$2" = - ] && ! ended && tail --pid="$pid" -s 0.1 -f /dev/null
  wait
  ended || exit 71
  ;;
supervise)
  : >out
  : >err
  : >output
  mkfifo out.pipe err.pipe
  echo $$ >supervisor
  pump out & po=$!
  pump err & pe=$!
  variables=()
  mapfile -d '' -t variables <env
  rm -f env
  while IFS= read -r -d '' mode && IFS= read -r -d '' path; do chmod "$mode" "$W/$path"; done <modes
  case $(<language) in
  node) argv=(node "$D/harness.mjs") ;;
  python) argv=(python3 -u "$D/script") ;;
  *) argv=(/bin/bash "$D/script") ;;
  esac
  mkdir -p "$W/$(<cwd)"
  cd "$W/$(<"$D/cwd")" || exit 70
  setsid env -- "${"$"}{variables[@]}" PIPELZR_INPUT="$D/input.json" PIPELZR_OUTPUT="$D/output" \
    "${"$"}{argv[@]}" </dev/null >"$D/out.pipe" 2>"$D/err.pipe" &
  code=$!
  cd "$D"
  echo "$code" >pgid.new && mv pgid.new pgid
  wait "$code"
  status=$?
  # What the code left running may still be writing; it ends with the code.
  until_true 20 drained || { kill -KILL -- "-$code"; until_true 50 drained; }
  kill -KILL -- "-$code"
  finish "$status"
  ;;
stop)
  stop "$2"
  ;;
clear)
  (stop 0) || exit 72
  cd / && chmod -R u+rwX -- "$D" 2>/dev/null
  rm -rf -- "$D"
  ;;
unpack)
  [ -e unpacked ] && exit 0
  T=$W/$(<tree)
  chmod -R u+w -- "$T" 2>/dev/null
  rm -rf -- "$T" && mkdir -p -- "$T" || exit 73
  tar -xz --no-same-owner -f tree.tgz -C "$T" && chmod -R a-w -- "$T" || exit 73
  start=$(<cwd)
  case $start/ in "$(<tree)"/*) [ -d "$W/$start" ] || exit ${NO_FOLDER} ;; esac
  rm -f tree.tgz
  : >unpacked
  ;;
status)
  printf '%s %s %s %s %s\n' "$(cat exit 2>/dev/null || echo -)" \
    "$(size out)" "$(size err)" "$(size output)" "$(size frame)"
  [ "$2" = files ] || exit 0
  tree=$(cat tree 2>/dev/null)
  cd "$W/$(<cwd)" && find "$PWD" -path "$W/$tree" -prune -o -type f -printf '%s %P\0'
  ;;
read)
  tail -c "+$2" out | head -c "$4"
  tail -c "+$3" err | head -c "$4" >&2
  ;;
hash)
  cd "$W/$(<cwd)" || exit 70
  shift
  sha256sum -z -- "$@"
  ;;
esac
`;

/** The folder of one dispatch in its sandbox. */
export function attemptFolder({ step, epoch }: { readonly step: number; readonly epoch: number }) {
  return `.pipelzr/${step}-${epoch}`;
}

/** The task's own files, below the home of the sandbox's user: in a shared sandbox beside its others. */
export function workspaceFolder(folder: string, isShared: boolean): string {
  return isShared ? `${folder}/workspace` : "workspace";
}

/** A command that ends an attempt for good, also one whose files never came. */
export function clearCommand(folder: string): string[] {
  const line =
    'if [ -e "$1/run.sh" ]; then exec /bin/bash "$1/run.sh" clear; else rm -rf -- "$1"; fi';
  return ["/bin/bash", "-c", `set -- "$HOME/${folder}"; ${line}`];
}

/** A command that runs a mode of the script; HOME is known inside the sandbox alone. */
export function scriptCommand(folder: string, ...args: readonly string[]): string[] {
  return ["/bin/bash", "-c", `exec /bin/bash "$HOME/${folder}/run.sh" "$@"`, "run.sh", ...args];
}
