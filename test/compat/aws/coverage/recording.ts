/**
 * What AWS's clients asked and were answered while the tests ran, where somebody wants to know: with RECORD_AWS_CALLS
 * set to a folder, each call becomes a line of a file there. `main.ts` makes the tables of docs/api/sagemaker.md of them.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** One call. Members by their paths, `ProductionVariants.VariantName`; lists add nothing to a path. */
export interface RecordedCall {
  /** `JavaScript`, `boto3 1.43`, `awscli 2` */
  readonly client: string;
  /** As the client names it: `sagemaker-runtime`, `s3`. */
  readonly service: string;
  /** `CreateEndpoint`; awscli says `create-endpoint`. */
  readonly operation: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  /** What it was refused with; null where it was answered. */
  readonly refusal: string | null;
}

const folder = process.env.RECORD_AWS_CALLS;

function record(call: RecordedCall): void {
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(call)}\n`);
}

/** Paths of the members that have a value. What a client made of bytes and streams is no structure. */
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

/** The part of a client of the SDK that is used: what its commands pass through first and last. */
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
          // A connection that broke refused nothing.
          const { name, $metadata } = error as Error & { $metadata?: { readonly httpStatusCode?: number } };
          if ($metadata?.httpStatusCode !== undefined) record({ ...call, output: [], refusal: name });
          throw error;
        }
      },
    { step: 'initialize', priority: 'high' },
  );
}

/** Records `aws SERVICE OPERATION --member …`; what it printed is looked at unless it was cut by `--query`. */
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
    // It printed a table, a text, or nothing.
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
