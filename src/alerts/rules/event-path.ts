/** Paths into an event, as in EventBridge: `$.detail.total`, `$.resources[0]`, `$.detail.lines[*].price`. Pure. */

/** Returns the value at the path; undefined if there is none. A `*` returns the list of all matches. */
export type EventPath = (event: unknown) => unknown;

type Step = string | number | typeof all;

const all = Symbol('all');
const stepForm = /\.([^.[\]\s]+)|\[(\d+|\*)\]/y;

/** Null for an invalid path. */
export function compilePath(text: string): EventPath | null {
  if (!text.startsWith('$')) return null;
  const steps: Step[] = [];
  stepForm.lastIndex = 1;
  while (stepForm.lastIndex < text.length) {
    const found = stepForm.exec(text);
    if (found === null) return null;
    const [, name, index] = found;
    if (name === '*' || index === '*') steps.push(all);
    else steps.push(name ?? Number(index));
  }
  return (event) => follow(event, steps);
}

function follow(value: unknown, steps: readonly Step[]): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  if (step !== all) return Object.hasOwn(value, step) ? follow((value as Record<string | number, unknown>)[step], rest) : undefined;
  return Object.values(value)
    .map((each) => follow(each, rest))
    .filter((each) => each !== undefined);
}
