/** Texts of the reasons for which a number of instances is chosen or excluded. */
const texts: Readonly<Record<string, string>> = {
  argmin: 'the cheapest',
  rule: "the policy's rule",
  hold: 'held: more instances were worth it moments ago',
  replace: 'until the replacements are ready',
  min: 'the minimum',
  awake: 'there was recent traffic',
  max: 'the maximum',
  budget: 'the budget',
  schedule: 'the schedule',
  'slo-floor': 'required by the objective',
  fast: 'a burst',
  requested: 'requested',
  spot: 'a spot instance is being reclaimed',
  'no-forecast': 'no forecast yet',
  'no-measurement': 'no measurements yet',
  infeasible: 'cannot meet the objective',
  'cheapest-certified': 'the cheapest certified plan',
  'cheapest-as-measured': 'the cheapest plan by measured accuracy',
  'most-accurate-in-budget': 'the most accurate plan within the budget',
  'not-certified': 'no plan is certified',
};

/** Other reasons are sentences and stay as they are, except that objectives are formatted and do not wrap. */
export function formatReason(reason: string): string {
  return texts[reason] ?? reason.replaceAll(/\b(p\d+)\s*<=\s*([\d.]+)\s*(ms|s)\b/g, '$1\u00a0≤\u00a0$2\u00a0$3');
}
