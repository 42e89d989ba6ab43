/** Suggests what an unknown word stands for: a verb (the word of another tool, or a typing error), or the name of a resource. Pure. */
import { closestName } from '../names.ts';

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
