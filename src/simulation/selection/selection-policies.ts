/** The policies that `simulate --select` compares, from judged plans. Pure. */
import { PlatformError } from '../../errors.ts';
import { bestAlone, choosePlans, degradingLadder, type JudgedPlan } from '../../selection/index.ts';
import type { SelectionFleet, ServingRule, SimulatedSelectionFunctions } from './selection-spec.ts';

/** What policies are made of. */
export interface SelectionPolicyInput {
  readonly plans: readonly JudgedPlan[];
  readonly floor: number;
  /** Rungs down to this accuracy may be taken from credit; null: none below the floor. */
  readonly degradeTo: number | null;
  /** How many instances, or how they are scaled. */
  readonly fleet: FleetRequest;
}

/** A fleet of fixed size, or one that a scaling policy sizes. */
export type FleetRequest =
  | { readonly kind: 'fixed'; readonly instances: number }
  | {
      readonly kind: 'elastic';
      readonly scaling: string;
      readonly leadMs: number;
      readonly instancesMin: number;
      readonly instancesMax: number;
      readonly functions: SimulatedSelectionFunctions;
    };

/** Policies, what each does, in the order of a comparison. */
export const selectionPolicies = {
  'always-best': 'the most accurate model alone answers everything',
  'always-cheapest': 'the cheapest model alone answers everything',
  proteus: 'one model for each instance, chosen every 30 s from the load of the last 30 s (in the manner of Proteus)',
  singles: 'each batch by the most accurate model alone under which every request is in time, also below the floor',
  floor: 'the cheapest certified plan answers everything',
  select: 'sized for the cheapest certified plan; each batch by the most accurate certified rung under which every request is in time',
  degrade: 'the same, with rungs below the floor from credit (--degrade-to)',
} as const;

/** As `--policy` names them. */
export type SelectionPolicyName = keyof typeof selectionPolicies;

const withFunctions = '+functions';

/** `select`, `always-best+functions`. Throws `invalid_request`. */
export function parseSelectionPolicy(text: string): { readonly name: SelectionPolicyName; readonly hasFunctions: boolean } {
  const hasFunctions = text.endsWith(withFunctions);
  const name = hasFunctions ? text.slice(0, -withFunctions.length) : text;
  if (Object.hasOwn(selectionPolicies, name)) return { name: name as SelectionPolicyName, hasFunctions };
  const known = Object.keys(selectionPolicies).join(', ');
  throw new PlatformError(
    'invalid_request',
    `unknown policy '${text.slice(0, 80)}': expected one of ${known}, and +functions beside a fleet that scales`,
  );
}

/** What a policy serves with, on which fleet. Throws `invalid_request`, and `wrong_state` if nothing is certified. */
export function policyOf(text: string, input: SelectionPolicyInput): { readonly serving: ServingRule; readonly fleet: SelectionFleet } {
  const { name, hasFunctions } = parseSelectionPolicy(text);
  const { plans, floor, degradeTo, fleet } = input;
  const { serving, sizedFor } = servingOf(name, plans, floor, degradeTo);
  if (fleet.kind === 'fixed') {
    if (hasFunctions) throw new PlatformError('invalid_request', `${text}: a fixed fleet has no functions. Leave out +functions`);
    return { serving, fleet };
  }
  return { serving, fleet: { ...fleet, sizedFor, functions: hasFunctions ? fleet.functions : null } };
}

function servingOf(
  name: SelectionPolicyName,
  plans: readonly JudgedPlan[],
  floor: number,
  degradeTo: number | null,
): { readonly serving: ServingRule; readonly sizedFor: JudgedPlan } {
  const alone = plans.filter(({ second, isFeasible }) => second === null && isFeasible).sort((a, b) => b.rowsPerSecond - a.rowsPerSecond);
  const best = bestAlone(plans);
  const cheapest = alone[0] ?? best;
  if (name === 'always-best') return { serving: { kind: 'plan', plan: best }, sizedFor: best };
  if (name === 'always-cheapest') return { serving: { kind: 'plan', plan: cheapest }, sizedFor: cheapest };
  if (name === 'proteus') return { serving: { kind: 'periodic', plans: alone }, sizedFor: best };
  const chosen = choosePlans(plans, { kind: 'cheapest' }, ({ isCertified }) => isCertified);
  if (chosen === null)
    throw new PlatformError(
      'wrong_state',
      `${name}: no plan is certified for accuracy >= ${floor}. Lower --accuracy, or evaluate more rows`,
    );
  const { floorPlan, topPlan, ladder } = chosen;
  if (name === 'floor') return { serving: { kind: 'plan', plan: floorPlan }, sizedFor: floorPlan };
  if (name === 'select') return { serving: { kind: 'ladder', rungs: ladder, floor: null }, sizedFor: floorPlan };
  if (degradeTo === null) throw new PlatformError('invalid_request', `${name} needs --degrade-to: an accuracy below the floor`);
  if (name === 'singles')
    return { serving: { kind: 'ladder', rungs: degradingLadder(alone, best, degradeTo), floor: null }, sizedFor: floorPlan };
  return { serving: { kind: 'ladder', rungs: degradingLadder(plans, topPlan, degradeTo), floor }, sizedFor: floorPlan };
}
