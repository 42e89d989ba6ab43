/** Formats the `FailureReason` of a training job. Pure. */

/** How a task ended: its command, or what ended it. */
export interface TaskEnding {
  readonly code: number | null;
  readonly signal: string | null;
  readonly why: 'exit' | 'memory' | 'disk' | 'time' | 'stopped';
  readonly peakMiB: number | null;
}

/** What is known of a failed attempt. */
export interface FailureFacts {
  readonly ending: TaskEnding;
  /** The text of `/opt/ml/output/failure`; null if there is none. */
  readonly failureText: string | null;
  /** The last lines of stderr, or of the whole output if stderr is empty. */
  readonly lastLines: readonly string[];
  readonly instanceType: string;
  readonly memoryMiB: number;
  /** The next larger instance type by memory; null: none. */
  readonly largerType: string | null;
  readonly volumeGb: number;
}

/** The limit of AWS. */
export const failureReasonMax = 1024;
const linesShown = 20;

/** At most 1,024 characters. A longer text is cut in the middle, so the exit code stays readable. */
export function failureReason({ ending, failureText, lastLines, instanceType, memoryMiB, largerType, volumeGb }: FailureFacts): string {
  const code = exitCode(ending);
  if (ending.why === 'memory') {
    const peak = ending.peakMiB === null ? '' : ` (peak ${ending.peakMiB} MiB)`;
    const todo = largerType === null ? 'give it less data at once' : `choose ${largerType}`;
    return `AlgorithmError: it used more than the ${memoryMiB} MiB of ${instanceType}, and was ended${peak}; ${todo}, exit code: ${code}`;
  }
  if (ending.why === 'disk') return `AlgorithmError: it wrote more than VolumeSizeInGB = ${volumeGb}, exit code: ${code}`;
  const text = failureText ?? lastLines.slice(-linesShown).join('\n');
  if (failureText?.startsWith('ClientError: ') === true) return cutReason(failureText);
  const suffix = `, exit code: ${code}`;
  const room = failureReasonMax - 'AlgorithmError: '.length - suffix.length;
  return `AlgorithmError: ${cutText(text.trim(), room)}${suffix}`;
}

/** For a channel that cannot be downloaded: the caller's mistake. */
export function downloadFailure(problem: string): string {
  return cutReason(`ClientError: Data download failed: ${problem}`);
}

/** Cut at the end. */
export function cutReason(reason: string): string {
  return cutText(reason, failureReasonMax);
}

/** For a task that disappeared, as if the machine was switched off: not the caller's mistake. */
export function lostReason(attempts: number, how: string, checkpoints: string | null): string {
  const times = attempts === 1 ? 'once' : `${attempts} times`;
  const where = checkpoints === null ? '' : ` Its checkpoints are at ${checkpoints}`;
  return cutReason(`InternalServerError: the task was lost ${times}: ${how}.${where}`);
}

/** As a shell reports it: 128 + the number of the signal. */
function exitCode({ code, signal }: TaskEnding): number {
  if (code !== null) return code;
  return 128 + (signal === null ? 9 : (signalNumbers[signal] ?? 9));
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGXCPU: 24,
};

function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text
    .slice(0, Math.max(0, most - 1))
    .toWellFormed()
    .replace(/\ufffd$/u, '')}…`;
}
