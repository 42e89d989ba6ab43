/** Conditions of Search, evaluated on resources as Describe operations return them. Pure. */
import { AwsError, type AwsOutput } from '../service.ts';

interface Filter {
  readonly Name: string;
  readonly Operator?: string;
  readonly Value?: string;
}

/** AWS's expression, which may nest. */
export interface SearchExpression {
  readonly Filters?: readonly Filter[];
  readonly NestedFilters?: readonly unknown[];
  readonly SubExpressions?: readonly SearchExpression[];
  readonly Operator?: 'And' | 'Or';
}

type Condition = (resource: AwsOutput) => boolean;

/** Limits for a whole expression, because it is evaluated on many resources. */
const filtersMax = 50;
const depthMax = 5;

/** Throws `ValidationException` for conditions that are too many, too deep or not supported. */
export function compileExpression(expression: SearchExpression | undefined): Condition {
  if (expression === undefined) return () => true;
  const count = { filters: 0 };
  return compiled(expression, 1, count);
}

/** The values that a property must have: from filters `Equals` that every result has to pass. */
export function requiredValues({ Filters = [], SubExpressions = [], Operator = 'And' }: SearchExpression, property: string): string[] {
  if (Operator === 'Or' && Filters.length + SubExpressions.length > 1) return [];
  const own = Filters.filter(({ Name, Operator: operator = 'Equals' }) => Name === property && operator === 'Equals');
  return [...own.flatMap(({ Value }) => Value ?? []), ...SubExpressions.flatMap((each) => requiredValues(each, property))];
}

function compiled(
  { Filters = [], NestedFilters, SubExpressions = [], Operator = 'And' }: SearchExpression,
  depth: number,
  count: { filters: number },
): Condition {
  if (NestedFilters !== undefined)
    throw invalid('NestedFilters are not supported: use a filter on a path such as InferenceSpecification.Containers.Image.');
  if (depth > depthMax) throw invalid(`SearchExpression is nested too deeply: expected at most ${depthMax} levels.`);
  count.filters += Filters.length;
  if (count.filters > filtersMax) throw invalid(`SearchExpression has too many filters: expected at most ${filtersMax}.`);
  const conditions = [...Filters.map(conditionOf), ...SubExpressions.map((each) => compiled(each, depth + 1, count))];
  if (conditions.length === 0) return () => true;
  return Operator === 'Or'
    ? (resource) => conditions.some((holds) => holds(resource))
    : (resource) => conditions.every((holds) => holds(resource));
}

function conditionOf({ Name, Operator = 'Equals', Value }: Filter): Condition {
  const path = Name.split('.');
  if (Operator === 'Exists') return (resource) => valuesAt(resource, path).length > 0;
  if (Operator === 'NotExists') return (resource) => valuesAt(resource, path).length === 0;
  if (Value === undefined) throw invalid(`The filter on ${Name} has no Value, which the operator ${Operator} requires.`);
  if (Operator === 'NotEquals') return (resource) => !valuesAt(resource, path).some((value) => isEqual(value, Value));
  const holds = comparisons[Operator];
  if (holds === undefined) throw invalid(`The operator ${Operator} is not supported.`);
  return (resource) => valuesAt(resource, path).some((value) => holds(value, Value));
}

type Scalar = string | number | boolean | Date;

const comparisons: Readonly<Record<string, (value: Scalar, wanted: string) => boolean>> = {
  Equals: isEqual,
  Contains: (value, wanted) => typeof value === 'string' && value.includes(wanted),
  In: (value, wanted) => wanted.split(',').some((each) => isEqual(value, each.trim())),
  GreaterThan: (value, wanted) => difference(value, wanted) > 0,
  GreaterThanOrEqualTo: (value, wanted) => difference(value, wanted) >= 0,
  LessThan: (value, wanted) => difference(value, wanted) < 0,
  LessThanOrEqualTo: (value, wanted) => difference(value, wanted) <= 0,
};

function isEqual(value: Scalar, wanted: string): boolean {
  return typeof value === 'string'
    ? value === wanted
    : typeof value === 'boolean'
      ? String(value) === wanted.toLowerCase()
      : difference(value, wanted) === 0;
}

/** NaN, which no comparison accepts, if the two cannot be compared. */
function difference(value: Scalar, wanted: string): number {
  if (typeof value === 'number') return value - Number(wanted);
  if (value instanceof Date) return value.getTime() - timeOf(wanted);
  const isTime = typeof value === 'string' && !Number.isNaN(Number(value));
  return isTime ? Number(value) - Number(wanted) : Number.NaN;
}

/** ISO 8601, or epoch seconds. */
function timeOf(text: string): number {
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

/** All scalars at a path; lists stand for each of their elements. `Tags.team` is the value of the tag `team`. */
function valuesAt(value: unknown, path: readonly string[]): Scalar[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((each: unknown) => valuesAt(each, path));
  const [name, ...rest] = path;
  if (name === undefined) return isScalar(value) ? [value] : [];
  if (isScalar(value)) return [];
  const members = value as Readonly<Record<string, unknown>>;
  if (name === 'Tags' && rest.length > 0) {
    const key = rest.join('.');
    return ((members.Tags ?? []) as readonly { Key: string; Value: string }[]).flatMap(({ Key, Value }) => (Key === key ? [Value] : []));
  }
  return Object.hasOwn(members, name) ? valuesAt(members[name], rest) : [];
}

function isScalar(value: unknown): value is Scalar {
  return typeof value !== 'object' || value instanceof Date;
}

function invalid(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
