/** The output of a file of Python checks: one line per check. */
export interface CheckResult {
  readonly promise: string;
  /** The failure; null if the check passed. */
  readonly trouble: string | null;
}

export function checkResults(stdout: string): CheckResult[] {
  return stdout.split('\n').flatMap((line) => {
    const [, not, promise, trouble] = /^(not )?ok ([^\t]+)(?:\t(.*))?$/.exec(line) ?? [];
    if (promise === undefined) return [];
    return [{ promise, trouble: not === undefined ? null : (JSON.parse(trouble ?? '"no reason was given"') as string) }];
  });
}
