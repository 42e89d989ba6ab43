/** From recorded calls to tables: which operations were asked, with which members, by whom, and what they were refused with. Pure. */
import type { RecordedCall } from './recording.ts';

/** A structure's members, as far as a path may go. */
export interface Members {
  readonly members: ReadonlyMap<string, Members>;
  /** Of a list, or the values of a map. */
  readonly type: string;
  readonly element: Members;
}

export interface OperationModel {
  readonly input: Members | null;
  readonly output: Members | null;
}

export interface Coverage {
  readonly operation: string;
  /** Members that were sent in a call that was answered. */
  readonly input: readonly string[];
  /** Top members of AWS's shape that no answered call sent. */
  readonly notSent: readonly string[];
  readonly output: readonly string[];
  readonly refusals: readonly string[];
  readonly clients: readonly string[];
}

const plain = (name: string): string => name.replaceAll('-', '').toLowerCase();

/**
 * One row an operation. Without a model, as for S3, only the top members are shown: where a map begins nobody can tell.
 * What a client sends that AWS's model of our day does not have stays out.
 */
export function coverageOf(operation: string, calls: readonly RecordedCall[], model: OperationModel | null): Coverage {
  const own = calls.filter((call) => plain(call.operation) === plain(operation));
  const answered = own.filter(({ refusal }) => refusal === null);
  const [inputs, outputs] = [answered.flatMap((call) => call.input), answered.flatMap((call) => call.output)];
  const input = known(inputs, model === null ? undefined : model.input);
  const output = known(outputs, model === null ? undefined : model.output);
  return {
    operation,
    input,
    notSent: [...(model?.input?.members.keys() ?? [])].filter((name) => !input.includes(name)),
    output,
    refusals: sorted(own.flatMap(({ refusal }) => refusal ?? [])),
    clients: sorted(answered.map(({ client }) => client)),
  };
}

/** `undefined`: no model is known; `null`: the operation takes, or gives, nothing. */
function known(all: readonly string[], root: Members | null | undefined): string[] {
  if (root === null) return [];
  if (root === undefined) return sorted(all.filter((path) => /^[A-Z]\w*$/.test(path)));
  return sorted(all.flatMap((path) => knownPath(path, root) ?? []));
}

/** As the model spells it (awscli's flags have no case) and cut where a map begins; null where the model has no such member. */
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
  if (rows.length === 0) return 'Not served yet.';
  const head = ['operation', 'request members tested', 'not sent by any test', 'reply members seen', 'refusals seen', 'by'];
  const body = rows.map(({ operation, input, notSent, output, refusals, clients }) => [
    `**${operation}**`,
    nested(input),
    notSent.join(', '),
    nested(output),
    refusals.join(', '),
    clients.length > 0 ? clients.join(', ') : refusals.length > 0 ? 'refused only' : 'no test',
  ]);
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
