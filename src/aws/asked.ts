/** What a call asked for, as the audit keeps it and CloudTrail shows it: members in lowerCamel, nothing that is secret, and bounded. Pure. */
import { secretMembers } from './recorded.ts';
import type { AwsInput } from './service.ts';
import type { Shape } from './shapes/shapes.ts';

const textMax = 512;
const itemsMax = 50;
const depthMax = 10;
const bytesMax = 4096;
const leftOut = '…';
const hidden = '***';

/** Variables of processes and whatever is called a secret, besides what the shapes call sensitive. */
const secret = new RegExp(`^(?:Environment|${secretMembers.join('|')})$|secret|password`, 'i');

/** `input` is as it came, checked or not; what is left out of it has `…` in its place. At most some 4 KiB as JSON. */
export function askedOf(input: AwsInput, shape: Shape | null): Readonly<Record<string, unknown>> {
  const asked = membersOf(input, shape, 1);
  const sizes = Object.entries(asked).map(([name, value]) => ({ name, bytes: Buffer.byteLength(JSON.stringify(value) ?? '') }));
  let bytes = sizes.reduce((sum, each) => sum + each.bytes + Buffer.byteLength(each.name), 0);
  // The largest first: names and other small things tell the most.
  for (const largest of sizes.sort((one, other) => other.bytes - one.bytes)) {
    if (bytes <= bytesMax) break;
    asked[largest.name] = leftOut;
    bytes -= largest.bytes;
  }
  return asked;
}

/** Keys of maps are the caller's own words and stay as they are. */
function membersOf(value: object, shape: Shape | null | undefined, depth: number): Record<string, unknown> {
  const isMap = shape?.type === 'map';
  const members = Object.entries(value).slice(0, itemsMax);
  return Object.fromEntries(
    members.map(([name, inner]: [string, unknown]) => {
      const own = isMap ? shape.element : shape?.type === 'structure' ? shape.members.get(name) : null;
      const shown = (isMap ? name : name.charAt(0).toLowerCase() + name.slice(1)).slice(0, 128);
      return [shown, secret.test(name) || own?.isSensitive === true ? withheld(inner) : kept(inner, own, depth)];
    }),
  );
}

function kept(value: unknown, shape: Shape | null | undefined, depth: number): unknown {
  if (value instanceof Uint8Array || shape?.type === 'blob') return leftOut;
  if (typeof value === 'string') return value.length > textMax ? value.slice(0, textMax) + leftOut : value;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth > depthMax) return leftOut;
  if (!Array.isArray(value)) return membersOf(value, shape, depth + 1);
  const element = shape?.type === 'list' ? shape.element : null;
  const isSecret = element?.isSensitive === true;
  return value.slice(0, itemsMax).map((each: unknown) => (isSecret ? withheld(each) : kept(each, element, depth + 1)));
}

/** Of a map its keys are told: which variables there were. */
function withheld(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return hidden;
  return Object.fromEntries(
    Object.keys(value)
      .slice(0, itemsMax)
      .map((key) => [key.slice(0, 128), hidden]),
  );
}
