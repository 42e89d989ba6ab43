/** What the process hands to the command line: so that a test can be the terminal, and main.ts the platform. */
import type { Clock } from '../clock.ts';

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Options of `penstock up`, as given; what is absent is decided by PENSTOCK_*, the config file and the defaults. */
export interface UpOptions {
  /** Flags by the name of their setting in the configuration: dataDir, port, host, tls, tlsCert, tlsKey, logLevel, … */
  readonly flags: Readonly<Record<string, string | number>>;
}

export interface QuickstartOptions {
  readonly flags: Readonly<Record<string, string | number>>;
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
