/** What the process hands to the command line: so that a test can be the terminal, and main.ts the platform. */
import type { Clock } from '../clock.ts';

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The flags of a server as they were written, by the names of settings: what `loadConfig` takes as `flags`. */
export type Flags = Readonly<Record<string, string>>;

export interface UpOptions {
  readonly flags: Flags;
}

export interface QuickstartOptions {
  /** Without --data-dir the state belongs in ./penstock-data/quickstart. */
  readonly flags: Flags;
  /** End when the load is over, rather than keep serving. */
  readonly exit: boolean;
  readonly output: OutputForm;
}

export type OutputForm = 'text' | 'json';

export interface Doors {
  readonly stdout: Output;
  readonly stderr: Output;
  /** For `--file -` and `--data -`. */
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** `0.1.0` */
  readonly version: string;
  /** Ends the verb that waits (logs -f, top, deploy): Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Starts the platform and answers with the exit code when it has ended. */
  readonly up: (options: UpOptions) => Promise<number>;
  readonly quickstart: (options: QuickstartOptions) => Promise<number>;
}
