/** Evaluations, and the models that answered a labelled set. */
import { queryOptions } from '@tanstack/react-query';
import type { EvaluationBody } from '../../../src/api/index.ts';
import { getAll } from './client.ts';

export const evaluationsQuery = () =>
  queryOptions({ queryKey: ['evaluations'], queryFn: ({ signal }) => getAll<EvaluationBody>('/evaluations', {}, signal) });

/** As the server allows. */
export const candidatesLimit = 6;

/** Models that have answered the set, newest evaluation first. */
export function answeredBy(set: string, evaluations: readonly EvaluationBody[]): string[] {
  const found = evaluations
    .filter((each) => each.set.name === set)
    .flatMap(({ models }) => models.filter(({ state, quality }) => state === 'Completed' && quality?.kind === 'classes'));
  return [...new Set(found.map(({ model }) => model))];
}

/** A labelled set that the model and others answered, newest first, with these models; null if there is none. */
export function sharedSetOf(
  model: string,
  evaluations: readonly EvaluationBody[],
): { readonly set: string; readonly models: string[] } | null {
  for (const { set } of evaluations) {
    const models = answeredBy(set.name, evaluations);
    if (models.length > 1 && models.includes(model)) {
      return { set: set.name, models: [model, ...models.filter((each) => each !== model)].slice(0, candidatesLimit) };
    }
  }
  return null;
}
