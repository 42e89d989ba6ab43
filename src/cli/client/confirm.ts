/** Questions on a terminal. Without one, scripts are never asked. */
import type { CliContext } from '../cli-context.ts';

/** Whether a person can be asked: input and messages are a terminal. */
export function isInteractive({ stdin, stderr }: Pick<CliContext, 'stdin' | 'stderr'>): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}

/** Asks on stderr. Only `y` or `yes` is a yes; Ctrl-C and the end of the input are a no. */
export async function confirmed({ stdin, stderr, interrupted }: CliContext, question: string): Promise<boolean> {
  stderr.write(`${question} [y/N] `);
  const answer = await Promise.race([firstLine(stdin), aborted(interrupted)]);
  if (answer === null) stderr.write('\n');
  return /^y(es)?$/i.test((answer ?? '').trim());
}

async function firstLine(stdin: CliContext['stdin']): Promise<string | null> {
  let text = '';
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.includes('\n')) return text.slice(0, text.indexOf('\n'));
  }
  return text === '' ? null : text;
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    else signal.addEventListener('abort', () => resolve(null), { once: true });
  });
}
