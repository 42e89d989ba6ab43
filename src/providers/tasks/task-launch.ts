/** The command line that a supervisor starts: the isolated command, in its cgroups and with its priority. Pure. */
import type { Launch } from '../isolation/launch.ts';

/**
 * A process that joins the groups before it becomes the command, so that nothing it starts is outside. It is also the first to be ended if
 * the memory of the machine is exhausted. `--idle`: runs only when nothing else does, and so do all its descendants.
 */
const script = `{ echo 500 >/proc/self/oom_score_adj; } 2>/dev/null || true
priority=$1
shift
while [ "$1" != -- ]; do
  { echo 0 >"$1/cgroup.procs"; } 2>/dev/null || true
  shift
done
shift
if [ "$priority" = idle ]; then
  if command -v chrt >/dev/null; then exec chrt --idle 0 "$@"; fi
  exec nice -n 19 "$@"
fi
exec "$@"
`;

/** The shell only enters the groups and sets the priority; it then becomes the program. */
export function taskLaunch({ program, args }: Launch, groups: readonly string[], isIdle: boolean): Launch {
  return { program: 'sh', args: ['-c', script, 'penstock-task', isIdle ? 'idle' : 'normal', ...groups, '--', program, ...args] };
}
