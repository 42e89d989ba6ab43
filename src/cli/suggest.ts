/** Suggests what an unknown word stands for: a verb (the word of another tool, or a typing error), or the name of a resource. Pure. */

/** Words of other tools (kubectl, docker, ollama, the AWS CLI) by the verb that does the same here. */
const habits: Readonly<Record<string, readonly string[]>> = {
  up: ['serve', 'start', 'server', 'run'],
  status: ['health', 'info', 'version', 'ping'],
  register: ['push', 'upload', 'import', 'add', 'publish'],
  groups: ['models', 'model', 'repositories'],
  versions: ['tags', 'history', 'revisions'],
  list: ['ls', 'show', 'get'],
  endpoints: ['ls', 'list', 'ps', 'get', 'endpoint', 'deployments', 'services'],
  deploy: ['create', 'apply', 'update', 'set', 'scale', 'rollout'],
  describe: ['show', 'inspect', 'view'],
  invoke: ['predict', 'infer', 'inference', 'call', 'query', 'request'],
  'load-test': ['bench', 'benchmark', 'stress', 'perf'],
  rollback: ['undo', 'revert'],
  set: ['create', 'add', 'put', 'update', 'change', 'edit', 'new'],
  delete: ['rm', 'remove', 'del', 'destroy', 'undeploy'],
  unload: ['stop', 'pause'],
  load: ['resume'],
  top: ['watch', 'stats', 'monitor'],
  why: ['explain'],
  costs: ['price', 'prices', 'billing', 'spend'],
  logs: ['tail'],
  train: ['fit', 'retrain'],
  tune: ['sweep', 'optimize', 'hpo'],
  training: ['jobs', 'job', 'runs', 'experiments'],
};

/** The verb of `known` that `word` probably stands for; null if none is close. */
export function suggestedVerb(word: string, known: readonly string[]): string | null {
  const habitual = Object.entries(habits).filter(([verb]) => known.includes(verb));
  const verbs = new Map([
    ...habitual.flatMap(([verb, words]) => words.map((each) => [each, verb] as const)),
    ...known.map((verb) => [verb, verb] as const),
  ]);
  return verbs.get(word.toLowerCase()) ?? verbs.get(closestName(word, known) ?? closestName(word, [...verbs.keys()]) ?? '') ?? null;
}

/** Longer words are no typing errors, and comparing them costs time. */
const wordMax = 40;

/** The name within two typing errors of `word`, at most a third of its letters wrong. */
export function closestName(word: string, names: readonly string[]): string | null {
  if (word.length < 2 || word.length > wordMax) return null;
  const errors = names
    .map((name) => ({ name, errors: typingErrors(word.toLowerCase(), name.toLowerCase()) }))
    .toSorted((a, b) => a.errors - b.errors);
  const [best] = errors;
  return best !== undefined && best.errors <= Math.min(2, Math.max(word.length, best.name.length) / 3) ? best.name : null;
}

/** Letters to insert, delete, replace or swap with the next: the optimal string alignment distance. */
function typingErrors(from: string, to: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: to.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (last[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swapped = isSwapped ? (beforeLast[j - 2] as number) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, (last[j] as number) + 1, (row[j - 1] as number) + 1, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return last[to.length] as number;
}
