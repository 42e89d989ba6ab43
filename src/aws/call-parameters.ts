/**
 * The parameters of a call, as the audit stores them and CloudTrail returns them: lowerCamel members, secrets removed, size bounded. Pure.
 */
import type { AuditRule, AwsInput, AwsOutput } from './service.ts';
import type { Shape } from './shapes/shapes.ts';

const textMax = 512;
const itemsMax = 50;
const depthMax = 10;
const bytesMax = 4096;
const omitted = '…';
const hidden = '***';

/** Members whose values are credentials for a target. The audit chain is append-only, so a secret written to it could never be removed. */
const secretMembers = ['HeaderParameters', 'QueryStringParameters'];

/** Redacts process environments and members whose name suggests a secret, in addition to those the shapes mark sensitive. */
const secret = new RegExp(`^(?:Environment|${secretMembers.join('|')})$|secret|password`, 'i');

/** Hyperparameters are recorded, because they make the model, except those whose name suggests a secret. */
const secretHyperparameter = /secret|password|token|key/i;

/** `input` may be unchecked. Omitted values are replaced by `…`. The result is at most about 4 KiB as JSON. */
export function auditParameters(input: AwsInput, shape: Shape | null): Readonly<Record<string, unknown>> {
  const requested = membersOf(input, shape, 1);
  const sizes = Object.entries(requested).map(([name, value]) => ({ name, bytes: Buffer.byteLength(JSON.stringify(value) ?? '') }));
  let bytes = sizes.reduce((sum, each) => sum + each.bytes + Buffer.byteLength(each.name), 0);
  // Omit the largest members first: names and other small values are the most informative.
  for (const largest of sizes.sort((one, other) => other.bytes - one.bytes)) {
    if (bytes <= bytesMax) break;
    requested[largest.name] = omitted;
    bytes -= largest.bytes;
  }
  return requested;
}

/** Keys of maps are user data and stay unchanged. */
function membersOf(value: object, shape: Shape | null | undefined, depth: number): Record<string, unknown> {
  const isMap = shape?.type === 'map';
  const members = Object.entries(value).slice(0, itemsMax);
  return Object.fromEntries(
    members.map(([name, inner]: [string, unknown]) => {
      const own = isMap ? shape.element : shape?.type === 'structure' ? shape.members.get(name) : null;
      const shown = (isMap ? name : name.charAt(0).toLowerCase() + name.slice(1)).slice(0, 128);
      if (secret.test(name) || own?.isSensitive === true) return [shown, withheld(inner)];
      return [shown, retainedValue(name === 'HyperParameters' ? withoutSecrets(inner) : inner, own, depth)];
    }),
  );
}

function retainedValue(value: unknown, shape: Shape | null | undefined, depth: number): unknown {
  if (value instanceof Uint8Array || shape?.type === 'blob') return omitted;
  if (typeof value === 'string') return value.length > textMax ? value.slice(0, textMax) + omitted : value;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth > depthMax) return omitted;
  if (!Array.isArray(value)) return membersOf(value, shape, depth + 1);
  const element = shape?.type === 'list' ? shape.element : null;
  const isSecret = element?.isSensitive === true;
  return value.slice(0, itemsMax).map((each: unknown) => (isSecret ? withheld(each) : retainedValue(each, element, depth + 1)));
}

function withoutSecrets(hyperparameters: unknown): unknown {
  if (typeof hyperparameters !== 'object' || hyperparameters === null) return hyperparameters;
  return Object.fromEntries(
    Object.entries(hyperparameters).map(([name, value]: [string, unknown]) => [name, secretHyperparameter.test(name) ? hidden : value]),
  );
}

/** Map keys are retained, so the audit shows which variables were set. */
function withheld(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return hidden;
  return Object.fromEntries(
    Object.keys(value)
      .slice(0, itemsMax)
      .map((key) => [key.slice(0, 128), hidden]),
  );
}

/** Masks the values of secret members at any depth and keeps their keys. */
function maskSecretMembers(input: object): object {
  return JSON.parse(
    JSON.stringify(input, (name, value: unknown) =>
      secretMembers.includes(name) && typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.keys(value).map((key) => [key, hidden]))
        : value,
    ),
  ) as object;
}

/** A batch call answers 200 even if every entry failed, so the audit records which entries failed and why. */
export function auditOutcome(
  input: AwsInput,
  { FailedEntries }: AwsOutput,
  { omit = '' }: AuditRule,
): { readonly outcome: 'ok' | 'invalid_request'; readonly detail: object } {
  const { [omit]: _omitted, ...recorded } = input;
  const detail = maskSecretMembers(recorded);
  const failed = (FailedEntries ?? []) as readonly AwsInput[];
  if (failed.length === 0) return { outcome: 'ok', detail };
  const entries = (input.Targets ?? input.Ids ?? []) as readonly unknown[];
  if (failed.length < entries.length) return { outcome: 'ok', detail: { ...detail, FailedEntries: failed } };
  return { outcome: 'invalid_request', detail: { message: failed[0]?.ErrorMessage, ...detail, FailedEntries: failed } };
}
