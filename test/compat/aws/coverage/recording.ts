/**
 * Records the calls of AWS's clients during tests: if RECORD_AWS_CALLS names a folder, each call becomes a line of a file there.
 * `main.ts` builds the tables of docs/api/sagemaker.md from them.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** One call with the paths of its members, such as `ProductionVariants.VariantName`; lists add nothing to a path. */
export interface RecordedCall {
  /** Such as `JavaScript`, `boto3 1.43` or `awscli 2`. */
  readonly client: string;
  /** The client's name of the service: `sagemaker-runtime`, `s3`. */
  readonly service: string;
  /** `CreateEndpoint`, or `create-endpoint` for awscli. */
  readonly operation: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  /** The error code; null if the call succeeded. */
  readonly refusal: string | null;
}

const folder = process.env.RECORD_AWS_CALLS;

function record(call: RecordedCall): void {
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(call)}\n`);
}

/** Paths of the members that have a value. Bytes, streams and other class instances are not descended into. */
export function memberPaths(value: unknown, path = ''): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) {
    const paths = value.flatMap((each) => memberPaths(each, path));
    return [...new Set(path === '' ? paths : [path, ...paths])];
  }
  const own = path === '' ? [] : [path];
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return own;
  const members = Object.entries(value).filter(([name]) => name !== '$metadata');
  return [...own, ...members.flatMap(([name, each]) => memberPaths(each, path === '' ? name : `${path}.${name}`))];
}

/** The part of an SDK client that recording needs: its middleware. */
interface Recordable {
  readonly middlewareStack: {
    add(
      middleware: (
        next: (args: { readonly input: object }) => Promise<{ readonly output: object }>,
        context: { readonly commandName?: string },
      ) => (args: { readonly input: object }) => Promise<{ readonly output: object }>,
      options: { readonly step: 'initialize'; readonly priority: 'high' },
    ): void;
  };
}

/** Records the commands of a client of the SDK for JavaScript. */
export function recordClient(service: string, client: unknown): void {
  if (folder === undefined) return;
  const { middlewareStack } = client as Recordable;
  middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const call = { client: 'JavaScript', service, operation: commandName.replace(/Command$/, ''), input: memberPaths(args.input) };
        try {
          const answer = await next(args);
          record({ ...call, output: memberPaths(answer.output), refusal: null });
          return answer;
        } catch (error) {
          // A broken connection is not an error response.
          const { name, $metadata } = error as Error & { $metadata?: { readonly httpStatusCode?: number } };
          if ($metadata?.httpStatusCode !== undefined) record({ ...call, output: [], refusal: name });
          throw error;
        }
      },
    { step: 'initialize', priority: 'high' },
  );
}

/** Records `aws SERVICE OPERATION --member …`, with the output unless `--query` reduced it. */
export function recordAwscli(
  major: 1 | 2,
  argv: readonly string[],
  { code, stdout, stderr }: { code: number; stdout: string; stderr: string },
): void {
  const [service = '', operation = ''] = argv;
  const input = argv.filter((word) => word.startsWith('--')).map((word) => word.slice(2).split('=')[0] ?? '');
  const refusal = code === 0 ? null : (/\((\w+)\)/.exec(stderr)?.[1] ?? 'error');
  let output: string[] = [];
  try {
    if (!input.includes('query')) output = memberPaths(JSON.parse(stdout));
  } catch {
    // The output is a table, a text or empty.
  }
  record({
    client: `awscli ${major}`,
    service: service === 's3api' ? 's3' : service === 's3' ? 'aws s3' : service,
    operation,
    input,
    output,
    refusal,
  });
}
