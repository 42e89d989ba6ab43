/** The options of `deploy` that say what of an endpoint's calls is kept. */
import type { Command } from 'commander';
import type { EndpointBody } from '../api/index.ts';
import { Failure } from './failure.ts';
import { parsedShare } from './parsed-share.ts';

export interface CaptureOptions {
  /** Of a hundred calls; null keeps none. */
  readonly capture?: number | null;
  readonly captureTo?: string;
  readonly redact?: readonly string[];
}

export function addCaptureOptions(command: Command): void {
  command
    .option('--capture <share>', 'keep inputs and outputs of so many calls, such as 10%, or none (default: none)', share)
    .option('--capture-to <place>', 'where, as s3://BUCKET/PREFIX on the server (default: s3://penstock-capture)')
    .option('--redact <names>', 'inputs, columns, JSON members whose values are never kept: a,b,c', (text) =>
      text
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    );
}

/** What the user said of it, on top of what is so already; nothing where nothing was said. */
export function captureSettings(
  { capture: percent, captureTo: to, redact }: CaptureOptions,
  before: EndpointBody['capture'],
): Record<string, unknown> {
  if (percent === null) return { capture: null };
  if (percent === undefined && to === undefined && redact === undefined) return {};
  if (percent === undefined && before === null) throw new Failure('nothing is captured: say how much, such as --capture 10%', 2);
  return {
    capture: {
      ...before,
      ...(percent === undefined ? {} : { percent }),
      ...(to === undefined ? {} : { to }),
      ...(redact === undefined ? {} : { redact }),
    },
  };
}

function share(text: string): number | null {
  return text === 'none' ? null : parsedShare(text);
}
