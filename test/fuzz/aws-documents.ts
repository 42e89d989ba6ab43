/** Generates inputs of AWS operations from their shapes: first almost valid, then with an error. */
import type { Shape } from '../../src/aws/shapes/shapes.ts';
import type { FuzzRandom } from './fuzz-random.ts';

/** Shapes may be recursive. */
const depthMax = 6;

const arn = (resource: string): string => `arn:aws:sagemaker:eu-central-1:123456789012:${resource}`;

/** Values that match most patterns and name existing resources. */
const dictionary: readonly string[] = [
  'digits',
  'other',
  'fuzz',
  'AllTraffic',
  'digits/1',
  'endpoint/digits/variant/AllTraffic',
  'sagemaker:variant:DesiredInstanceCount',
  'ml.m5.large',
  's3://fuzz/key',
  'http://127.0.0.1:1/hook',
  'https://example.com/hook',
  arn('endpoint/digits'),
  arn('model-package/digits/1'),
  arn('model-package-group/digits'),
  'arn:aws:iam::123456789012:role/role',
  'arn:aws:sns:eu-central-1:123456789012:topic',
  'arn:aws:events:eu-central-1:123456789012:rule/fuzz',
  'rate(5 minutes)',
  'cron(0 12 * * ? *)',
  'at(2026-01-01T00:00:00)',
  '{"source":["penstock"]}',
  '{"detail":{"a":[{"numeric":[">",0,"<",5]}]}}',
  '{"widgets":[]}',
  'SELECT * FROM x',
  'm1*100/m2',
  'ANOMALY_DETECTION_BAND(m1, 2)',
  'SUM(METRICS())',
  'text/csv',
  '1',
  '123456789012',
];

export function documentFor(random: FuzzRandom, input: Shape | null): Record<string, unknown> {
  if (input === null) return {};
  const document = structureFor(random, input, depthMax);
  for (let i = random.pick([0, 1, 1, 2]); i > 0; i--) damage(random, document);
  return document;
}

function structureFor(random: FuzzRandom, shape: Shape, depth: number): Record<string, unknown> {
  const document: Record<string, unknown> = {};
  for (const [name, member] of shape.members) {
    if (shape.required.includes(name) || (depth > 0 && random.chance(depth === depthMax ? 0.4 : 0.25)))
      document[name] = valueFor(random, member, depth - 1);
  }
  return document;
}

function valueFor(random: FuzzRandom, shape: Shape, depth: number): unknown {
  switch (shape.type) {
    case 'structure':
      return depth < 0 ? {} : structureFor(random, shape, depth);
    case 'list':
      return depth < 0 ? [] : Array.from({ length: random.pick([0, 1, 1, 2]) }, () => valueFor(random, shape.element, depth - 1));
    case 'map':
      return depth < 0 ? {} : { [textFor(random, shape.key)]: valueFor(random, shape.element, depth - 1) };
    case 'string':
      return textFor(random, shape);
    case 'boolean':
      return random.chance(0.5);
    case 'integer':
    case 'long':
      return random.chance(0.8)
        ? random.int(Math.max(0, shape.min ?? 0), Math.min(shape.max ?? 10, (shape.min ?? 0) + 10))
        : Math.trunc(random.number());
    case 'float':
    case 'double':
      return random.chance(0.8) ? random.int(0, 100) / 2 : random.pick([random.number(), 'NaN', 'Infinity', '-Infinity']);
    case 'timestamp':
      return random.chance(0.8) ? 1.76e9 + random.int(0, 1e7) : random.pick([random.number(), random.text()]);
    case 'blob':
      return random.bytes(random.int(0, 20)).toString(random.chance(0.9) ? 'base64' : 'latin1');
  }
}

function textFor(random: FuzzRandom, { enumeration, pattern, min = 0, max = 1e9 }: Shape): string {
  if (enumeration !== undefined && random.chance(0.95)) return random.pick(enumeration);
  const fitting = dictionary.filter((text) => text.length >= min && text.length <= max && pattern?.test(text) !== false);
  return fitting.length > 0 && random.chance(0.9) ? random.pick(fitting) : random.text();
}

/** Damages one value somewhere inside. */
function damage(random: FuzzRandom, value: Record<string, unknown> | unknown[]): void {
  const keys = Object.keys(value);
  const fields = value as Record<string, unknown>;
  const key = keys.length === 0 || (!Array.isArray(value) && random.chance(0.1)) ? random.text() : random.pick(keys);
  const inner = fields[key];
  if (typeof inner === 'object' && inner !== null && random.chance(0.6)) {
    damage(random, inner as Record<string, unknown>);
    return;
  }
  // Copies of large values would only slow the test down.
  const copied = typeof inner === 'string' || typeof inner === 'number' ? inner : random.text();
  // A numeric key could set the length of an empty array to a huge value.
  const at = Array.isArray(value) && keys.length === 0 ? '0' : key;
  fields[at] = random.pick([
    () => random.json(2),
    () => random.text(),
    () => random.number(),
    () => null,
    () => Array.from({ length: 2000 }, () => copied),
    () => Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, copied])),
    () => nested(random.pick([10, 2000])),
    () => 'x'.repeat(random.pick([300, 70_000])),
  ])();
}

function nested(depth: number): unknown {
  let inner: unknown = 1;
  for (let i = 0; i < depth; i++) inner = [inner];
  return inner;
}
