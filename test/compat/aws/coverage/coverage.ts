/** Builds tables from recorded calls: operations with the tested members, clients and errors. Pure. */
import type { RecordedCall } from './recording.ts';

/** The part of a shape that member paths need. */
export interface Members {
  readonly members: ReadonlyMap<string, Members>;
  /** The shape's type, such as `list` or `map`. */
  readonly type: string;
  readonly element: Members;
}

export interface OperationModel {
  readonly input: Members | null;
  readonly output: Members | null;
}

export interface Coverage {
  readonly operation: string;
  /** Members that were sent in a successful call. */
  readonly input: readonly string[];
  /** Top-level members of AWS's shape that no successful call sent. */
  readonly notSent: readonly string[];
  readonly output: readonly string[];
  readonly refusals: readonly string[];
  readonly clients: readonly string[];
}

const plain = (name: string): string => name.replaceAll('-', '').toLowerCase();

/**
 * One row per operation. Without a model, as for S3, only top-level members are listed, because maps cannot be detected. Members that are
 * not in the model are dropped.
 */
export function coverageOf(operation: string, calls: readonly RecordedCall[], model: OperationModel | null): Coverage {
  const own = calls.filter((call) => plain(call.operation) === plain(operation));
  const successful = own.filter(({ refusal }) => refusal === null);
  const [inputs, outputs] = [successful.flatMap((call) => call.input), successful.flatMap((call) => call.output)];
  const input = known(inputs, model === null ? undefined : model.input);
  const output = known(outputs, model === null ? undefined : model.output);
  return {
    operation,
    input,
    notSent: [...(model?.input?.members.keys() ?? [])].filter((name) => !input.includes(name)),
    output,
    refusals: sorted(own.flatMap(({ refusal }) => refusal ?? [])),
    clients: sorted(successful.map(({ client }) => client)),
  };
}

/** `root` is undefined without a model, and null if the operation has no input or output. */
function known(all: readonly string[], root: Members | null | undefined): string[] {
  if (root === null) return [];
  if (root === undefined) return sorted(all.filter((path) => /^[A-Z]\w*$/.test(path)));
  return sorted(all.flatMap((path) => knownPath(path, root) ?? []));
}

/** The path as the model spells it (awscli options ignore case), cut at the first map; null if it is not in the model. */
function knownPath(path: string, root: Members): string | null {
  const spelled: string[] = [];
  let at = root;
  for (const name of path.split('.')) {
    while (at.type === 'list') at = at.element;
    if (at.type === 'map') break;
    const found = [...at.members.keys()].find((each) => plain(each) === plain(name));
    const next = found === undefined ? undefined : at.members.get(found);
    if (found === undefined || next === undefined) return null;
    spelled.push(found);
    at = next;
  }
  return spelled.join('.');
}

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort();
}

/** `A`, `A.B`, `A.C`, `D` become `A (B, C), D`. */
export function nested(all: readonly string[]): string {
  const tops = [...new Set(all.map((path) => path.split('.')[0] ?? ''))];
  return tops
    .map((top) => {
      const below = all.filter((path) => path.startsWith(`${top}.`)).map((path) => path.slice(top.length + 1));
      return below.length === 0 ? top : `${top} (${nested(below)})`;
    })
    .join(', ');
}

export function markdownTable(rows: readonly Coverage[]): string {
  if (rows.length === 0) return 'Not supported yet.';
  const head = ['operation', 'request members tested', 'not sent by any test', 'response members tested', 'errors tested', 'clients'];
  const body = rows.map(({ operation, input, notSent, output, refusals, clients }) => [
    `**${operation}**`,
    nested(input),
    notSent.join(', '),
    nested(output),
    refusals.join(', '),
    clients.length > 0 ? clients.join(', ') : refusals.length > 0 ? 'errors only' : 'no test',
  ]);
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
