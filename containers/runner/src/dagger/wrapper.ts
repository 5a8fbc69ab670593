/**
 * The shell script that runs a task's program inside its container. It leaves the exit code in a
 * file and ends with 0: an exec that ends with the code of a signal (128 to 191) is an error to the
 * engine, which then gives up the container with its outputs and artifacts.
 *
 * Its first words on both streams are a nonce, by which the runner knows the log records that are the
 * task's own. It calls no program but the task's, so that any image with a shell will do.
 */
import { HARNESS_ENTRY } from "./harness-folder.ts";
import { CONTROL, FILES } from "./places.ts";

export const NO_BASH =
  "pipelzr: the image has no bash, so sh runs this task. Use an image with bash, or keep to POSIX sh.";

/** Arguments: the nonce, one of PROGRAMS, and the shell line when it is no file. */
export const WRAPPER = `
nonce=$1 program=$2 line=$3
printf %s "$nonce"; printf %s "$nonce" >&2
need() {
  command -v "$1" >/dev/null 2>&1 && return
  printf %s "$1" >${CONTROL}/${FILES.missing}
  exit 0
}
case $program in
shell)
  shell=bash
  command -v bash >/dev/null 2>&1 || { shell=/bin/sh; echo "${NO_BASH}" >&2; }
  if [ -f ${CONTROL}/${FILES.shell} ]; then set -- "$shell" ${CONTROL}/${FILES.shell}
  else set -- "$shell" -c "$line" "$shell"; fi ;;
python) need python3; set -- python3 ${CONTROL}/${FILES.python} ;;
script) need node; set -- node --disable-warning=ExperimentalWarning ${HARNESS_ENTRY} ${CONTROL} ;;
esac
# What a shell says of a child that a signal ended is no output of the task.
exec 9>&2 2>/dev/null
(exec "$@" </dev/null 2>&9 9>&-)
code=$?
printf %s "$code" >${CONTROL}/${FILES.exit} && exit 0
exit "$code"
`;
