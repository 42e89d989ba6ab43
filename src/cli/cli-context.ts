/** Everything the command line takes from its process. Tests replace the terminal; main.ts supplies the platform. */
import type { Clock } from '../clock.ts';

/** A stream such as stdout, with what is known of the terminal behind it. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Unparsed server flags by setting name: the `flags` of `loadConfig`. */
export type Flags = Readonly<Record<string, string>>;

/** What `penstock up` passes to the platform. */
export interface UpOptions {
  readonly flags: Flags;
}

/** What `penstock quickstart` passes to the platform. */
export interface QuickstartOptions {
  /** Without --data-dir, state goes to `quickstartDirectory`. */
  readonly flags: Flags;
  /** Exit after the load test instead of continuing to serve. */
  readonly exit: boolean;
  readonly output: OutputForm;
}

/** The parts of the platform that a quickstart uses. */
export interface QuickstartPlatform {
  readonly url: string;
  readonly ledger: { usage(endpoint: string): { readonly instanceUsd: number } };
  close(): Promise<void>;
}

/** A platform with a model of the catalogue, and rows for its load test. */
export interface QuickstartContext {
  readonly start: (flags: Readonly<Record<string, string>>) => Promise<QuickstartPlatform>;
  /** CSV with a header; the last column is the digit. */
  readonly rowsFile: string;
}

/** `text` for people, whose form may change; `json` for programs. */
export type OutputForm = 'text' | 'json';

export interface CliContext {
  readonly stdout: Output;
  readonly stderr: Output;
  /** For `--file -` and `--data -`, and for answers to questions. */
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** `0.1.0` */
  readonly version: string;
  /** Aborted by Ctrl-C. Ends verbs that wait: logs -f, top, deploy. */
  readonly interrupted: AbortSignal;
  /** `run` handles a second Ctrl-C, which otherwise ends the process at once. */
  readonly onSecondInterrupt?: (run: () => void) => void;
  /** Runs the platform until it ends. Resolves to the exit code. */
  readonly up: (options: UpOptions) => Promise<number>;
  readonly quickstart: (options: QuickstartOptions) => Promise<number>;
}
