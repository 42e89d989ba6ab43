/** Why a number of instances was chosen, or ruled out, in words. */
const words: Readonly<Record<string, string>> = {
  argmin: 'it costs least',
  rule: 'by the rule of the policy',
  hold: 'held, since more was worth it just before',
  replace: 'until what replaces them is ready',
  min: 'the minimum',
  awake: 'somebody asked a short while ago',
  max: 'the maximum',
  budget: 'the budget',
  schedule: 'the schedule',
  'slo-floor': 'needed for the objective',
  fast: 'a burst',
  spot: 'a spot instance goes',
  'no-forecast': 'there is no forecast yet',
  'no-measurement': 'nothing is measured yet',
  infeasible: 'cannot keep the objective',
};

/** What is no such word is told as it is, a promise as it is written elsewhere, and on one line. */
export function reasonWords(reason: string): string {
  return words[reason] ?? reason.replaceAll(/\b(p\d+)\s*<=\s*([\d.]+)\s*(ms|s)\b/g, '$1\u00a0≤\u00a0$2\u00a0$3');
}
