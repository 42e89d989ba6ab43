/** The conditions of a Condition step, all of which must hold. Pure. */
import { AwsError } from '../../service.ts';

type Json = Readonly<Record<string, unknown>>;

const compared = {
  Equals: (left: unknown, right: unknown) => same(left, right),
  GreaterThan: (left: unknown, right: unknown) => order(left, right) > 0,
  GreaterThanOrEqualTo: (left: unknown, right: unknown) => order(left, right) >= 0,
  LessThan: (left: unknown, right: unknown) => order(left, right) < 0,
  LessThanOrEqualTo: (left: unknown, right: unknown) => order(left, right) <= 0,
} as const;

const types = [...Object.keys(compared), 'In', 'Not', 'Or'];

/** Throws `ValidationException` for conditions that are malformed or not served. */
export function checkConditions({ Conditions: conditions, ...rest }: Json, at: string): void {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(`${unknown} of ${at} is not supported: expected Conditions, IfSteps and ElseSteps.`);
  if (!Array.isArray(conditions) || conditions.length === 0) throw invalid(`${at} has no Conditions: expected a list`);
  for (const condition of conditions as readonly Json[]) checkCondition(condition, at);
}

function checkCondition(condition: Json, at: string): void {
  const { Type: type, LeftValue, RightValue, QueryValue, Values, Expression, Conditions } = condition;
  if (typeof type !== 'string' || !types.includes(type))
    throw invalid(`condition ${JSON.stringify(type)?.slice(0, 100)} of ${at} is not supported: expected one of ${types.join(', ')}.`);
  if (type === 'Not') return checkCondition((Expression ?? {}) as Json, at);
  if (type === 'Or') {
    if (!Array.isArray(Conditions) || Conditions.length === 0) throw malformed(type, 'Conditions', at);
    for (const each of Conditions as readonly Json[]) checkCondition(each, at);
  } else if (type === 'In') {
    if (QueryValue === undefined || !Array.isArray(Values)) throw malformed(type, 'QueryValue and Values', at);
  } else if (LeftValue === undefined || RightValue === undefined) throw malformed(type, 'LeftValue and RightValue', at);
}

/** Of conditions without references. Throws `ValidationException` if values cannot be compared. */
export function areTrue(conditions: readonly Json[]): boolean {
  return conditions.every(isTrue);
}

function isTrue({ Type: type, LeftValue: left, RightValue: right, ...condition }: Json): boolean {
  if (type === 'Not') return !isTrue(condition['Expression'] as Json);
  if (type === 'Or') return (condition['Conditions'] as readonly Json[]).some(isTrue);
  if (type === 'In') return (condition['Values'] as readonly unknown[]).some((value) => same(condition['QueryValue'], value));
  return compared[type as keyof typeof compared](left, right);
}

/** A number in a property can be text, as in hyperparameters. */
function numbersOf(left: unknown, right: unknown): readonly [number, number] | null {
  const isNumeric = (value: unknown): boolean =>
    typeof value === 'number' || (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)));
  const hasNumber = typeof left === 'number' || typeof right === 'number';
  return hasNumber && isNumeric(left) && isNumeric(right) ? [Number(left), Number(right)] : null;
}

function same(left: unknown, right: unknown): boolean {
  const numbers = numbersOf(left, right);
  return numbers === null ? left === right : numbers[0] === numbers[1];
}

function order(left: unknown, right: unknown): number {
  const numbers = numbersOf(left, right);
  if (numbers !== null) return numbers[0] - numbers[1];
  const text = `${JSON.stringify(left)?.slice(0, 100)} and ${JSON.stringify(right)?.slice(0, 100)}`;
  throw invalid(`the condition compares ${text}: expected two numbers`);
}

function malformed(type: string, members: string, at: string): AwsError {
  return invalid(`condition ${type} of ${at} is malformed: expected ${members}`);
}

function invalid(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
